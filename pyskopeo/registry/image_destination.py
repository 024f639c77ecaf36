"""A repository of a registry as the destination of a copy (distribution specification 1.1, "Push")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import DestinationRefused, PyskopeoError, RegistryError
from ..fast_dataclass import replace
from ..interfaces import Accepts, Fill, ImageDestination
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import Placement
from ..model.manifest import Manifest
from ..model.reference import Reference
from ..streams.concurrency import each
from ..streams.locations import Location, RegistryBlob
from ..streams.progress import Progress, uncounted
from ..streams.pump import Blob

if TYPE_CHECKING:
    from ..http.retry import Retry
    from ..model.signature import Signature, SignatureFormat
    from ..storage.spool import Spool
    from .blob_upload import BlobUploads
    from .referrer_writer import ReferrerWriter
    from .repository_writer import RepositoryWriter
    from .signature_places import SignatureWriter

_TAGS_AT_ONCE = 8
# Tags of cosign whose manifests have a layer for each signature or attestation, by different people.
_SIGNATURES = (".sig", ".att")
_MANIFESTS = mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES
_ACCEPTS_ANY_DIGEST = Accepts(_MANIFESTS, foreign=True, compresses=True, unsigned="", no_referrers="")
_ACCEPTS_ONE_DIGEST = replace(
    _ACCEPTS_ANY_DIGEST, compresses=False, unchangeable="the destination is named by digest"
)  # fmt: skip


class DockerDestination(ImageDestination):
    """A repository of a registry. Tags are set last, when all blobs and child manifests are there.

    The blobs of a manifest that exists already need no requests of their own. ``retry`` is the policy for reading what
    refers to an image here; ``open_signatures`` returns what stores signatures, and is called when there are some.
    """

    def __init__(
        self,
        reference: Reference,
        tags: tuple[str, ...],
        writer: RepositoryWriter,
        uploads: BlobUploads,
        spool: Spool,
        *,
        retry: Retry,
        open_signatures: Callable[[], SignatureWriter],
    ) -> None:
        accepts = _ACCEPTS_ANY_DIGEST if reference.digest is None else _ACCEPTS_ONE_DIGEST
        self.accepts = replace(accepts, named=(reference.repository, reference.tag))
        self._reference, self._tags = reference, tags
        self._writer, self._uploads, self._spool = writer, uploads, spool
        self._tag_digests: dict[str, Digest | None] = {}
        self._prefetched = False
        self._failure: PyskopeoError | None = None
        self._present: set[Digest] = set()
        self._retry = retry
        self._referrers: ReferrerWriter | None = None
        self._signatures = open_signatures

    async def prefetch(self) -> None:
        """Request the digests that the tags refer to now, by HEAD."""
        async def look_up(tag: str) -> None:
            self._tag_digests[tag] = await self._writer.head_manifest(tag)

        try:
            await each(self._tags, look_up, at_once=_TAGS_AT_ONCE)
        except PyskopeoError as error:
            self._failure = error
        self._prefetched = True

    async def begin(self, root: Manifest) -> None:
        """Find out which tags refer to the image already.

        Raises `DestinationRefused` if the destination is named by another digest than the image's.
        """
        wanted = self._reference.digest
        if wanted is not None and root.digest != wanted:
            raise DestinationRefused(f"docker://{self._reference}: the image's digest is {root.digest}")
        if not self._prefetched:
            await self.prefetch()
        if self._failure is not None:
            raise self._failure
        self._present |= {root.digest} & set(self._tag_digests.values())

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        return await self._uploads.put(blob, progress, self._mount_sources(blob))

    def would_mount(self, blob: Blob) -> bool:
        return bool(self._mount_sources(blob))

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        return (RegistryBlob(self._reference.api_host, self._reference.repository),)

    def _mount_sources(self, blob: Blob) -> list[str]:
        """Return the other repositories of this registry that are known to have a blob."""
        return [
            place.repository for place in blob.locations
            if isinstance(place, RegistryBlob) and place.host == self._reference.api_host
            and place.repository != self._reference.repository
        ]  # fmt: skip

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        if not self._spool.wanted:
            try:
                return await self._uploads.receive(fill)
            except RegistryError as error:
                # The registry requires the length of a body, or knows no chunks (RFC 9112 section 6.1).
                if error.status not in (411, 501):
                    raise
                self._spool.wanted = True
        # With its digest known beforehand, put_blob() need not send a blob that the registry has.
        async with self._spool.filled(fill) as blob:
            return blob.descriptor, await self.put_blob(blob, uncounted)

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return await self._uploads.has(descriptor)

    async def has_manifest(self, manifest: Manifest) -> bool:
        digest = manifest.digest
        if digest not in self._present and await self._writer.head_manifest(str(digest)) == digest:
            self._present.add(digest)
        return digest in self._present

    async def put_manifest(self, manifest: Manifest) -> None:
        if manifest.digest not in self._present:
            await self._writer.put_manifest(str(manifest.digest), manifest)
            self._present.add(manifest.digest)

    async def put_root(self, root: Manifest) -> None:
        await self.put_manifest(root)

    def why_unsigned(self, format: SignatureFormat) -> str:
        return self._signatures().why_not(format)

    async def put_signatures(self, signatures: Sequence[Signature], digest: Digest, *, root: bool) -> None:
        await self._signatures().write(digest, signatures)

    async def present_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> frozenset[Digest]:
        return await self._referrer_writer().present(subject, referrers)

    async def put_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> int:
        return await self._referrer_writer().put(subject, referrers)

    async def confirm_referrers(self) -> None:
        await self._referrer_writer().confirm()

    def _referrer_writer(self) -> ReferrerWriter:
        if self._referrers is None:
            from .referrer_writer import ReferrerWriter

            self._referrers = ReferrerWriter(self._writer, self._retry)
        return self._referrers

    async def put_tagged(self, manifest: Manifest, tag: str) -> bool:
        there = await self._writer.head_manifest(tag)
        if there == manifest.digest:
            return False
        if there is not None and tag.endswith(_SIGNATURES) and manifest.media_type == mediatype.OCI_MANIFEST:
            return await self._signatures().attachments().merge(manifest, tag)
        if there is not None:
            self._writer.session.warn_once(
                f"{self._reference.name}:{tag} was {there}, and is replaced by {manifest.digest}"
            )
        await self._writer.put_manifest(tag, manifest)
        return True

    async def commit(self, root: Manifest) -> Digest:
        for tag in self._tags:
            if self._tag_digests.get(tag) != root.digest:
                await self._writer.put_manifest(tag, root)
        if not self._tags:
            await self.put_manifest(root)
        return root.digest
