"""The endpoints that write: manifests, uploads of blobs, mounts, and deletion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, StorageFailed, TooLarge, Unsupported
from ..model import mediatype
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..storage.registry_changes import TagMoved
from ..storage.registry_storage import InUse, MissingReferences
from .bodies import read_body
from .content import check_repository, check_tag
from .reading import parse_digest, parse_verifiable_digest
from .responses import VERSION, error_reply, reason, refusal, storage_refusal
from .uploads import UploadEndpoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from ..storage.registry_storage import RegistryStorage
    from .paths import RegistryPath

_SHOWN = 100  # missing blobs in an answer
_PARSED = 4  # manifests at a time: one takes many times its size of memory


class WritingEndpoints(UploadEndpoints):
    """The endpoints for PUT, POST, PATCH and DELETE over a `RegistryStorage`, and those of uploads."""

    def __init__(self, storage: RegistryStorage, *, max_blob: int | None = None) -> None:
        from anyio import Semaphore

        super().__init__(storage, max_blob=max_blob)
        self._parsing = Semaphore(_PARSED)

    async def put_manifest(self, request: Request, path: RegistryPath) -> Response:
        """Store a manifest (distribution specification, "Pushing Manifests")."""
        from ..streams.cancellation import run_in_thread

        name = check_repository(path.repository)
        expected = parse_verifiable_digest(path.reference) if ":" in path.reference else None
        tags = [check_tag(path.reference)] if expected is None else request.query_params.getlist("tag")
        try:
            raw = await read_body(request, MANIFEST_LIMIT)
        except TooLarge as error:
            raise refusal(413, "SIZE_INVALID", str(error)) from None
        content_type = mediatype.essence(request.headers.get("content-type", ""))
        async with self._parsing:
            manifest = await run_in_thread(lambda: _parse(raw, content_type, expected))
        subject = _subject(manifest)
        await self.storage.index.refresh()
        try:
            await self.storage.put_manifest(name, manifest, list(map(check_tag, tags)), allowed=_condition(request))
        except MissingReferences as error:
            detail = {"digests": [str(digest) for digest in error.digests[:_SHOWN]]}
            return error_reply(request, 404, "MANIFEST_BLOB_UNKNOWN", str(error), detail=detail)
        except TagMoved as error:
            raise refusal(412, "DENIED", str(error)) from None
        except (StorageFailed, TooLarge) as error:
            raise storage_refusal(error) from None
        headers = {"Location": f"/v2/{name}/manifests/{manifest.digest}", "ETag": f'"{manifest.digest}"'}
        headers["Docker-Content-Digest"] = str(manifest.digest)
        if subject is not None:
            headers["OCI-Subject"] = str(subject)
        if expected is not None and tags:
            headers["OCI-Tag"] = ", ".join(tags)
        return _empty(201, headers)

    async def delete_manifest(self, request: Request, path: RegistryPath) -> Response:
        """Remove a tag, or a manifest with all its tags ("Content Management")."""
        name = check_repository(path.repository)
        digest = parse_digest(path.reference) if ":" in path.reference else None
        with self._deleting(name, "MANIFEST_UNKNOWN"):
            if digest is not None:
                await self.storage.delete_manifest(name, digest)
            else:
                await self.storage.delete_tag(name, check_tag(path.reference))
        return _empty(202, {})

    async def delete_blob(self, request: Request, path: RegistryPath) -> Response:
        """Remove a blob from a repository ("Deleting Blobs")."""
        name, digest = check_repository(path.repository), parse_digest(path.reference)
        with self._deleting(name, "BLOB_UNKNOWN"):
            await self.storage.delete_blob(name, digest)
        return _empty(202, {})

    @contextmanager
    def _deleting(self, name: str, code: str) -> Iterator[None]:
        """Refuse a deletion that fails: 404 with ``code``, if the repository ``name`` exists, for what is not there."""
        try:
            yield
        except NotFound as error:
            raise refusal(404, code if self.storage.exists(name) else "NAME_UNKNOWN", str(error)) from None
        except InUse as error:
            raise refusal(405, "UNSUPPORTED", str(error)) from None
        except StorageFailed as error:
            raise storage_refusal(error) from None


def _parse(raw: bytes, content_type: str, expected: Digest | None) -> Manifest:
    """Verify a manifest that is pushed; raises refusals."""
    if expected is not None and (actual := Digest.of(raw, expected.algorithm)) != expected:
        raise refusal(400, "DIGEST_INVALID", f"the manifest has the digest {actual}, not {expected}")
    try:
        manifest = Manifest.parse(raw, content_type=content_type, expected=expected)
    except (InvalidContent, Unsupported) as error:
        raise refusal(400, "MANIFEST_INVALID", reason(error)) from None
    if manifest.is_schema1:
        raise refusal(400, "MANIFEST_INVALID", "manifests of Docker's schema 1 are not taken")
    if content_type in mediatype.MANIFESTS and content_type != manifest.media_type:
        message = f"Content-Type is {content_type}, but the manifest is {manifest.media_type}"
        raise refusal(400, "MANIFEST_INVALID", message)
    return manifest


def _subject(manifest: Manifest) -> Digest | None:
    if b'"subject"' not in manifest.raw:
        return None
    try:
        subject = manifest.subject
    except InvalidContent as error:
        raise refusal(400, "MANIFEST_INVALID", reason(error)) from None
    return None if subject is None else subject.digest


def _condition(request: Request) -> Callable[[Digest | None], bool] | None:
    """Return whether a tag may be replaced, by If-Match and If-None-Match (RFC 9110, section 13.1); None: always."""
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    if match is None and none_match is None:
        return None

    def has(values: str | None, digest: Digest | None) -> bool:
        found = {value.strip().removeprefix("W/") for value in (values or "").split(",")}
        return digest is not None and bool(found & {"*", f'"{digest}"'})

    return lambda digest: (match is None or has(match, digest)) and not has(none_match, digest)


def _empty(status: int, headers: dict[str, str]) -> Response:
    from starlette.responses import Response

    return Response(b"", status, VERSION | headers)
