"""Where signatures of the images of a registry are kept: its own API, a lookaside, attachments.

As containers/image does: simple signatures are in the registry, if it says that it keeps them, else in a lookaside;
those of sigstore are attachments, if these are used. `RegistriesD` says which lookaside it is, and whether they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import Unsupported
from ..http.origin import redact_url
from ..model.events import Explained
from .lookaside import download_signatures, local_path, lookaside_directory
from .signature_extension import ask_for_offer, is_offered, read_extension, write_extension

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..access import Access
    from ..model.digest import Digest
    from ..model.reference import Reference
    from ..model.signature import Signature, SignatureFormat
    from .blob_upload import BlobUploads
    from .mirrors import Endpoints
    from .repository_writer import RepositoryWriter
    from .signature_attachments import AttachmentWriter


class SignatureFiles(Protocol):
    """The files of a local lookaside; `storage.signature_files.LookasideFiles` implements it."""

    def read(self, directory: Path) -> tuple[Signature, ...]:
        """Return the signatures of a manifest, none if there is no such directory."""
        ...

    def write(self, directory: Path, signatures: Sequence[Signature]) -> None:
        """Store signatures of a manifest in the place of those that are there."""
        ...


async def read_signatures(
    endpoints: Endpoints, digest: Digest, access: Access, files: SignatureFiles, *, required: bool = False
) -> tuple[Signature, ...]:
    """Return the stored signatures of a manifest, as they belong to the place that it was read from.

    A mirror has its own ones, by its own name. With ``required`` the registry is asked whether it keeps signatures, if
    it has not said so; otherwise nothing but signatures is requested. Raises `NetworkError`, `InvalidContent`,
    `TooLarge`, `StorageFailed`, and `Unsupported` for a lookaside that is none.
    """
    repository = endpoints.current
    reference, configured = repository.reference, access.signature_stores()
    session = repository.session
    if is_offered(session) or (required and await ask_for_offer(session)):
        found = await read_extension(session, reference, digest)
    else:
        found = await _read_lookaside(configured.lookaside(reference), reference, digest, access, files)
    if configured.uses_attachments(reference):
        from .signature_attachments import read_attachments

        found += await read_attachments(endpoints, digest, access.network.ranges)
    return found


async def _read_lookaside(
    base: str, reference: Reference, digest: Digest, access: Access, files: SignatureFiles
) -> tuple[Signature, ...]:
    if not base:
        return ()
    url = lookaside_directory(base, reference.repository, digest)
    directory = local_path(url)
    if directory is None:
        return await download_signatures(url, access)
    found = files.read(directory)
    access.report(Explained(f"signatures in {directory}: {len(found)}"))
    return found


class SignatureWriter:
    """Stores signatures of the image that ``writer`` writes, into its repository or beside it."""

    def __init__(
        self, access: Access, files: SignatureFiles, writer: RepositoryWriter, uploads: BlobUploads
    ) -> None:
        self._access, self._files = access, files
        self._reference, self._writer, self._uploads = writer.reference, writer, uploads

    def why_not(self, format: SignatureFormat) -> str:
        """Return why signatures of a format cannot be stored, "" if they can; raises for an invalid configuration."""
        configured = self._access.signature_stores()
        if format == "sigstore":
            if configured.uses_attachments(self._reference):
                return ""
            return (
                "writing sigstore attachments is disabled by configuration: set use-sigstore-attachments for "
                f"{self._reference.name} in registries.d"
            )
        if format == "bundle":
            return "bundles are stored as referrers only"
        if is_offered(self._writer.session):
            return ""
        base = configured.lookaside(self._reference, write=True)
        if not base:
            return f"no lookaside is configured for {self._reference.name}"
        if local_path(base) is not None:
            return ""
        scheme = base.partition(":")[0]
        return (
            f"Writing directly to a {scheme} lookaside {redact_url(base)} is not supported. "
            "Configure a lookaside-staging: location"
        )

    async def write(self, digest: Digest, signatures: Sequence[Signature]) -> None:
        """Store signatures of a manifest, which is in the repository.

        Those in a lookaside are replaced, those in the registry and attachments stay beside them. Raises `Unsupported`
        where there is no place for one, and what writing there raises.
        """
        attached = [signature for signature in signatures if signature.format == "sigstore"]
        simple = [signature for signature in signatures if signature.format == "simple"]
        if simple:
            await ask_for_offer(self._writer.session)
        for format in dict.fromkeys(signature.format for signature in signatures):
            if reason := self.why_not(format):
                raise Unsupported(reason)
        if attached:
            await self.attachments().add(digest, attached)
        if not simple:
            return
        if is_offered(self._writer.session):
            await write_extension(self._writer.session, self._reference, digest, simple)
            return
        base = self._access.signature_stores().lookaside(self._reference, write=True)
        directory = local_path(lookaside_directory(base, self._reference.repository, digest))
        assert directory is not None, "see why_not"
        self._files.write(directory, simple)
        self._access.report(Explained(f"signatures written into {directory}: {len(simple)}"))

    def attachments(self) -> AttachmentWriter:
        """Return what attaches signatures to the images of the repository."""
        from .mirrors import Endpoints
        from .repository_reader import Repository
        from .signature_attachments import AttachmentWriter

        session, network = self._writer.session, self._access.network
        repository = Repository(self._reference, session, network.retry, session.report)
        endpoints = Endpoints(self._reference, (repository,), session.report)
        return AttachmentWriter(self._writer, self._uploads, endpoints, network.ranges)
