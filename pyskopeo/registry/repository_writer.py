"""The distribution specification's calls that change a repository's manifests (version 1.1, "Push", "Deleting").

Blobs are uploaded by `BlobUploads`; a manifest is written when everything it names is there.
"""

from __future__ import annotations

from functools import partial

from ..errors import ManifestRefused, PyskopeoError, RegistryError
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.reference import Reference
from .response_checks import as_digest, closing, head_manifest, mismatch, refused, stated_digest
from .session import Session

_WRITTEN = frozenset({200, 201, 202})
_DELETED = frozenset({200, 202, 204})
# A registry that takes no OCI manifests, or no schema 2, says one of these.
_TYPE_REFUSED = frozenset({"MANIFEST_INVALID", "TAG_INVALID", "UNSUPPORTED"})


class RepositoryWriter:
    """One repository of one registry, for changing what its tags and digests name.

    ``name`` is a tag or a digest throughout. Every call raises `NetworkError`;
    `AccessDenied` says which credentials were tried.
    """

    def __init__(self, reference: Reference, session: Session) -> None:
        self.reference = reference
        self._session = session

    async def head_manifest(self, name: str) -> Digest | None:
        """HEAD: the digest of the manifest, None if there is none.

        Also None for a tag whose digest the registry does not state.
        """
        what = f"looking for manifest {name} in {self.reference.name}"
        try:
            stated = await self._session.retry(partial(head_manifest, self._session, self._path(name), what), what)
        except RegistryError as error:
            if error.status != 404:
                raise
            return None
        return stated or as_digest(name)

    async def put_manifest(self, name: str, manifest: Manifest) -> None:
        """PUT the manifest's bytes as they are.

        Raises `ManifestRefused` when the registry does not take this kind of manifest, and
        `ContentMismatch` when it says that it has stored something else.
        """
        what = f"writing manifest {name} to {self.reference.name}"

        async def once() -> None:
            response = await self._session.request(
                "PUT", self._path(name), {"Content-Type": manifest.media_type}, content=manifest.raw
            )
            if response.status_code not in _WRITTEN:
                raise _explained(await refused(self._session, response, what))
            async with closing(response):
                stated = stated_digest(response)
            if stated is not None and stated.algorithm == manifest.digest.algorithm and stated != manifest.digest:
                raise mismatch(what, stated, manifest.digest)

        await self._session.retry(once, what)

    async def delete_manifest(self, name: str) -> None:
        """DELETE: by digest the manifest and all its tags, by tag the tag alone.

        Raises `NotFound` or `RegistryError`; its message says so if the registry deletes nothing, or no tags.
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
            error = await refused(self._session, response, what)
            if response.status_code == 404 and attempts > 1:
                return  # deleted by the attempt before, whose response was lost
            raise self._undeletable(name, error)

        await self._session.retry(once, what)

    def _path(self, name: str) -> str:
        return f"/v2/{self.reference.repository}/manifests/{name}"

    def _undeletable(self, name: str, error: PyskopeoError) -> PyskopeoError:
        """400 and 405 are the specification's statuses for a registry that does not delete ("Deleting Manifests")."""
        if not isinstance(error, RegistryError) or (
            error.status not in (400, 405) and "UNSUPPORTED" not in error.codes
        ):
            return error
        kind = "images" if as_digest(name) else "a tag alone"
        meaning = f"{self.reference.registry} does not allow deleting {kind}"
        return RegistryError(f"{error}: {meaning}", status=error.status, codes=error.codes)


def _explained(error: PyskopeoError) -> PyskopeoError:
    """Return ``error``, as `ManifestRefused` if the registry refuses this type of manifest."""
    if isinstance(error, RegistryError) and (
        error.status == 415 or (error.status == 400 and _TYPE_REFUSED & set(error.codes))
    ):
        return ManifestRefused(str(error), status=error.status, codes=error.codes)
    return error
