"""The content store as the destination of a copy: what an image needs is brought there, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import StorageFailed
from ..interfaces import Accepts, ImageDestination, ImageReference
from ..model import mediatype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.events import Placement
    from ..model.manifest import Manifest
    from ..streams.progress import Progress
    from ..streams.pump import Blob
    from .content_store import ContentStore


class StoreDestination(ImageDestination):
    """Brings the blobs of a source that is read through the store into it; its name is given by the source.

    Unlike for a copy through the store, it is an error if something cannot be stored.
    """

    accepts = Accepts(mediatype.MANIFESTS, foreign=True, no_referrers="")

    def __init__(self, store: ContentStore) -> None:
        self._store = store

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        assert blob.stored is not None, "the source is read through the store"
        _, placement = await blob.stored.bring(progress)
        await self._check(blob.descriptor)
        return placement

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return await self._store.holds(descriptor)

    async def put_manifest(self, manifest: Manifest) -> None:
        await self._store.add_manifest(manifest)
        await self._check(manifest.descriptor)

    async def put_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> int:
        new = [manifest for manifest in referrers if not await self._store.holds(manifest.descriptor)]
        for manifest in new:
            await self.put_manifest(manifest)
        return len(new)

    async def commit(self, root: Manifest) -> Digest:
        await self.put_manifest(root)
        return root.digest

    async def _check(self, descriptor: Descriptor) -> None:
        if not await self._store.holds(descriptor):
            raise StorageFailed(f"{descriptor.digest} could not be added to the store {self._store.root}")


class StoreReference(ImageReference):
    """The content store of an access as the destination of an image; ``details`` are for messages."""

    transport = "store"

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        return _open_store(access)


@asynccontextmanager
async def _open_store(access: Access) -> AsyncIterator[ImageDestination]:
    from .content_store import ContentStore

    store = ContentStore.of(access)
    async with store.used():
        yield StoreDestination(store)
