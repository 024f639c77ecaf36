"""The endpoints of uploads (distribution specification, "Pushing blobs")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent, NotFound, StorageFailed, TooLarge, Unsupported
from ..storage.registry_uploads import TooManyUploads, UploadBusy
from ..streams.cancellation import run_in_thread
from .bodies import content_length, content_range, drain, receive_into
from .content import check_repository
from .reading import parse_digest, parse_verifiable_digest
from .responses import VERSION, error_reply, reason, refusal, storage_refusal
from .scope_keys import MAY, UPLOAD_ENDED

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ..model.digest import Digest
    from ..storage.registry_storage import RegistryStorage
    from ..storage.registry_uploads import Upload
    from .paths import RegistryPath
    from .scope_keys import May


_RETRY = 60.0  # seconds


class UploadEndpoints:
    """The endpoints of uploads over a `RegistryStorage`; ``max_blob`` is the size in bytes of the largest one."""

    def __init__(self, storage: RegistryStorage, *, max_blob: int | None = None) -> None:
        self.storage, self.max_blob = storage, max_blob

    async def begin_upload(self, request: Request, path: RegistryPath) -> Response:
        """Begin an upload, upload a whole blob, or mount one."""
        name, query = check_repository(path.repository), request.query_params
        if "mount" in query and (mounted := await self._mount(request, name)) is not None:
            return _blob_answer(name, mounted)
        digest = parse_verifiable_digest(query["digest"]) if "digest" in query else None
        algorithm = digest.algorithm if digest is not None else query.get("digest-algorithm", "sha256")
        if algorithm not in ("sha256", "sha384", "sha512"):
            raise refusal(400, "DIGEST_INVALID", f"digests of {ascii(algorithm)[1:-1][:40]} cannot be verified here")
        self._check_length(request, 0)
        identity = await self._begin(name, algorithm)
        if digest is None or "mount" in query:
            return _upload_answer(202, name, identity, 0)
        try:
            async with self._opened(name, identity) as upload:
                await self._receive(request, upload, None)
                await self._finish(request, upload, digest)
        finally:  # the client does not know of it
            await self._remove(request, identity)
        return _blob_answer(name, digest)

    async def append_chunk(self, request: Request, path: RegistryPath) -> Response:
        """Append a chunk to an upload ("Pushing a blob in chunks")."""
        name, part = check_repository(path.repository), content_range(request)
        async with self._opened(name, path.reference) as upload:
            if part is not None and part.start != upload.size:
                await drain(request)
                return _out_of_order(request, name, upload)
            self._check_length(request, upload.size)
            await self._receive(request, upload, part)
            return _upload_answer(202, name, upload.identity, upload.size)

    async def finish_upload(self, request: Request, path: RegistryPath) -> Response:
        """Append the last chunk, if there is one, and make the upload a blob."""
        name, part = check_repository(path.repository), content_range(request)
        if "digest" not in request.query_params:
            raise refusal(400, "DIGEST_INVALID", "the query parameter digest is missing")
        digest = parse_verifiable_digest(request.query_params["digest"])
        async with self._opened(name, path.reference) as upload:
            if part is not None and part.start != upload.size:
                await drain(request)
                return _out_of_order(request, name, upload)
            self._check_length(request, upload.size)
            if not upload.size:
                upload.use_algorithm(digest.algorithm)
            await self._receive(request, upload, part)
            await self._finish(request, upload, digest)
        return _blob_answer(name, digest)

    async def upload_status(self, request: Request, path: RegistryPath) -> Response:
        """How far an upload has come."""
        name = check_repository(path.repository)
        with _unknown_upload():
            size = await run_in_thread(partial(self.storage.uploads.size, name, path.reference))
        return _upload_answer(204, name, path.reference, size)

    async def cancel_upload(self, request: Request, path: RegistryPath) -> Response:
        """Remove an upload."""
        async with self._opened(check_repository(path.repository), path.reference) as upload:
            await self._remove(request, upload.identity)
        from starlette.responses import Response

        return Response(b"", 204, VERSION)

    async def _mount(self, request: Request, name: str) -> Digest | None:
        """Mount a blob ("Mounting a blob from another repository"); None if that is not possible."""
        digest, source = parse_digest(request.query_params["mount"]), request.query_params.get("from")
        may: May | None = request.scope.get(MAY)
        storage = self.storage
        await storage.index.refresh()
        if source is not None:
            check_repository(source)
            if (may is not None and not may(source, "pull")) or not await storage.belongs(source, digest):
                return None
        elif may is not None and not await storage.belongs(name, digest):
            return None  # it could be of a repository that the client may not read
        return digest if await storage.link_blob(name, digest) else None

    async def _begin(self, name: str, algorithm: str) -> str:
        try:
            return await run_in_thread(partial(self.storage.uploads.begin, name, algorithm))
        except TooManyUploads as error:
            raise refusal(429, "TOOMANYREQUESTS", str(error), retry_after=_RETRY) from None
        except StorageFailed as error:
            raise storage_refusal(error) from None

    @asynccontextmanager
    async def _opened(self, name: str, identity: str) -> AsyncIterator[Upload]:
        with _unknown_upload():
            async with self.storage.uploads.opened(name, identity) as upload:
                yield upload

    async def _receive(self, request: Request, upload: Upload, part: range | None) -> None:
        """Append the body; refuse, and drop, one that has not the length that its head says."""
        start = upload.size
        try:
            await receive_into(request, upload, self.max_blob)
            if part is not None and upload.size - start != len(part):
                got = upload.size - start
                await run_in_thread(partial(upload.truncate, start))
                raise refusal(400, "SIZE_INVALID", f"Content-Range says {len(part)} bytes, the body has {got}")
        except TooLarge as error:
            await self._remove(request, upload.identity)
            raise refusal(413, "SIZE_INVALID", str(error)) from None
        except StorageFailed as error:
            # Nothing is left of it, so that others have room.
            await self._remove(request, upload.identity)
            raise storage_refusal(error) from None

    async def _finish(self, request: Request, upload: Upload, digest: Digest) -> None:
        try:
            await self.storage.finish_upload(upload, digest)
        except ContentMismatch as error:
            await self._remove(request, upload.identity)
            raise refusal(400, "DIGEST_INVALID", str(error)) from None
        except (InvalidContent, Unsupported) as error:
            raise refusal(400, "BLOB_UPLOAD_INVALID", reason(error)) from None
        except StorageFailed as error:
            await self._remove(request, upload.identity)
            raise storage_refusal(error) from None

    async def _remove(self, request: Request, identity: str) -> None:
        request.scope[UPLOAD_ENDED] = True
        await run_in_thread(partial(self.storage.uploads.remove, identity))

    def _check_length(self, request: Request, size: int) -> None:
        """Refuse a body that would make a blob too large before it is read."""
        length = content_length(request)
        if self.max_blob is not None and length is not None and size + length > self.max_blob:
            message = f"the blob would have {size + length} bytes, the limit is {self.max_blob}"
            raise refusal(413, "SIZE_INVALID", message)


@contextmanager
def _unknown_upload() -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        raise refusal(404, "BLOB_UPLOAD_UNKNOWN", str(error)) from None
    except UploadBusy as error:
        raise refusal(409, "BLOB_UPLOAD_INVALID", str(error)) from None


def _location(name: str, identity: str) -> str:
    return f"/v2/{name}/blobs/uploads/{identity}"


def _upload_headers(name: str, identity: str, size: int) -> dict[str, str]:
    return {
        "Location": _location(name, identity), "Range": f"0-{max(0, size - 1)}", "Docker-Upload-UUID": identity,
    }  # fmt: skip


def _upload_answer(status: int, name: str, identity: str, size: int) -> Response:
    from starlette.responses import Response

    return Response(b"", status, VERSION | _upload_headers(name, identity, size))


def _out_of_order(request: Request, name: str, upload: Upload) -> Response:
    message = f"the upload has {upload.size} bytes: the next chunk begins there"
    headers = _upload_headers(name, upload.identity, upload.size)
    return error_reply(request, 416, "BLOB_UPLOAD_INVALID", message, VERSION | headers)


def _blob_answer(name: str, digest: Digest) -> Response:
    from starlette.responses import Response

    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": str(digest)}
    return Response(b"", 201, VERSION | headers)
