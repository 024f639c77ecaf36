"""Write and delete manifests of one repository (distribution specification 1.1, "Push", "Content Management").

Blobs are uploaded by `BlobUploads`. A manifest has to be written after everything it refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import InvalidDigest, ManifestRefused, PyskopeoError, RegistryError
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.reference import Reference
from .response_checks import as_digest, ask, closing, head_manifest, mismatch, read_error, stated_digest
from .session import Session

if TYPE_CHECKING:
    from ..http.messages import Response

_UNCONDITIONAL: Mapping[str, str] = MappingProxyType({})
_WRITTEN = frozenset({200, 201, 202, 204})
_DELETED = frozenset({200, 202, 204})
# The error codes of registries that do not support OCI manifests, or schema 2.
_TYPE_REFUSED = frozenset({"MANIFEST_INVALID", "TAG_INVALID", "UNSUPPORTED"})


class RepositoryWriter:
    """One repository of one registry, for writing and deleting manifests.

    ``name`` is always a tag or a digest. Every method retries transient failures and raises `NetworkError`; the
    message of `AccessDenied` says which credentials were used.
    """

    def __init__(self, reference: Reference, session: Session) -> None:
        self.reference = reference
        self._session = session

    async def head_manifest(self, name: str) -> Digest | None:
        """HEAD a manifest: return its digest, None if it does not exist.

        Also None if the registry does not state the digest that a tag refers to, or does not answer HEAD: whether a
        manifest can be written is decided by the response to PUT.
        """
        what = f"looking for manifest {name} in {self.reference.name}"

        async def once() -> Digest | None:
            try:
                return await head_manifest(self._session, self._path(name), what) or as_digest(name)
            except InvalidDigest:
                return None

        return await ask(self._session, once, what)

    @property
    def session(self) -> Session:
        """The session that sends the requests."""
        return self._session

    async def put_manifest(
        self, name: str, manifest: Manifest, conditions: Mapping[str, str] = _UNCONDITIONAL
    ) -> bool:
        """PUT the manifest's bytes, unchanged ("Pushing Manifests"); ``conditions`` are further headers.

        Returns whether the registry says that it lists the manifest as a referrer of its subject by itself
        ("Pushing Manifests with Subject"). Raises `ManifestRefused` if the registry does not accept this type of
        manifest, and `ContentMismatch` if it states another digest than the manifest's.
        """
        what = f"writing manifest {name} to {self.reference.name}"

        async def once() -> bool:
            headers = {"Content-Type": manifest.media_type, **conditions}
            response = await self._session.request("PUT", self._path(name), headers, content=manifest.raw)
            if response.status_code not in _WRITTEN:
                raise _as_manifest_refused(await read_error(self._session, response, what))
            async with closing(response):
                stated = self._stored_digest(response, what)
            if stated is not None and stated.algorithm == manifest.digest.algorithm and stated != manifest.digest:
                raise mismatch(what, stated, manifest.digest)
            return "oci-subject" in response.headers

        return await self._session.retry(once, what)

    async def delete_manifest(self, name: str) -> None:
        """DELETE a manifest and all its tags by its digest, or a tag alone ("Deleting tags", "Deleting Manifests").

        Raises `NotFound` or `RegistryError`, whose message says so if the registry does not support that.
        """
        what = f"deleting {name} in {self.reference.name}"
        attempts = 0

        async def once() -> None:
            nonlocal attempts
            attempts += 1
            response = await self._session.request("DELETE", self._path(name), {})
            if response.status_code in _DELETED:
                await response.aclose()
                return
            error = await read_error(self._session, response, what)
            if response.status_code == 404 and attempts > 1:
                return  # the attempt before has deleted it, and its response was lost
            raise self._deletion_error(name, error)

        await self._session.retry(once, what)

    def _stored_digest(self, response: Response, what: str) -> Digest | None:
        """Return the digest that the registry states for a manifest it has stored, None if it states none."""
        try:
            return stated_digest(response)
        except InvalidDigest as error:
            self._session.warn_once(f"{what}: Docker-Content-Digest: {error}", "docker-content-digest")
            return None

    def _path(self, name: str) -> str:
        return f"/v2/{self.reference.repository}/manifests/{name}"

    def _deletion_error(self, name: str, error: PyskopeoError) -> PyskopeoError:
        """Return ``error``, with the reason if the registry does not support deletion.

        The statuses for that are 400 and 405 ("Deleting Manifests").
        """
        if not isinstance(error, RegistryError) or (
            error.status not in (400, 405) and "UNSUPPORTED" not in error.codes
        ):
            return error
        kind = "images" if as_digest(name) else "a tag alone"
        meaning = f"{self.reference.registry} does not allow deleting {kind}"
        return RegistryError(f"{error}: {meaning}", status=error.status, codes=error.codes)


def _as_manifest_refused(error: PyskopeoError) -> PyskopeoError:
    """Return ``error``, as `ManifestRefused` if the registry refuses this type of manifest."""
    if isinstance(error, RegistryError) and (
        error.status == 415 or (error.status == 400 and _TYPE_REFUSED & set(error.codes))
    ):
        return ManifestRefused(str(error), status=error.status, codes=error.codes)
    return error
