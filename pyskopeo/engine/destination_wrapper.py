"""A destination that forwards to another one, for those that change a part of what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..interfaces import ImageDestination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..interfaces import Fill
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.events import Placement
    from ..model.manifest import Manifest
    from ..model.signature import Signature, SignatureFormat
    from ..streams.locations import Location
    from ..streams.progress import Progress
    from ..streams.pump import Blob


class DestinationWrapper(ImageDestination):
    """Forwards every method to another destination; subclasses override some of them."""

    def __init__(self, destination: ImageDestination) -> None:
        self._destination = destination
        self.accepts = destination.accepts

    async def prefetch(self) -> None:
        await self._destination.prefetch()

    async def begin(self, root: Manifest) -> None:
        await self._destination.begin(root)

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        return await self._destination.put_blob(blob, progress)

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        return await self._destination.receive(fill)

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return await self._destination.has_blob(descriptor)

    async def has_manifest(self, manifest: Manifest) -> bool:
        return await self._destination.has_manifest(manifest)

    def local_manifest(self, digest: Digest, media_type: str) -> Manifest | None:
        return self._destination.local_manifest(digest, media_type)

    def would_mount(self, blob: Blob) -> bool:
        return self._destination.would_mount(blob)

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        return self._destination.locations(digest)

    async def put_manifest(self, manifest: Manifest) -> None:
        await self._destination.put_manifest(manifest)

    async def put_root(self, root: Manifest) -> None:
        await self._destination.put_root(root)

    def why_unsigned(self, format: SignatureFormat) -> str:
        return self._destination.why_unsigned(format)

    async def put_signatures(self, signatures: Sequence[Signature], digest: Digest, *, root: bool) -> None:
        await self._destination.put_signatures(signatures, digest, root=root)

    async def present_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> frozenset[Digest]:
        return await self._destination.present_referrers(subject, referrers)

    async def put_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> int:
        return await self._destination.put_referrers(subject, referrers)

    async def confirm_referrers(self) -> None:
        await self._destination.confirm_referrers()

    async def put_tagged(self, manifest: Manifest, tag: str) -> bool:
        return await self._destination.put_tagged(manifest, tag)

    async def commit(self, root: Manifest) -> Digest:
        return await self._destination.commit(root)
