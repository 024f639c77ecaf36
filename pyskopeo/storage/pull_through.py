"""Read the images of one repository through the content store: what is there is not requested, what is not is added."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import InvalidContent, Offline
from ..fast_dataclass import replace
from ..model.descriptor import UNKNOWN_SIZE
from .content_store import ContentStore
from .files import read_range

if TYPE_CHECKING:
    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.events import Placement
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from ..streams.byte_streams import BlobReader
    from ..streams.progress import Progress
    from ..streams.pump import Blob
    from .stored_referrers import StoredReferrers


@asynccontextmanager
async def open_through(reference: Reference | None, access: Access) -> AsyncIterator[PullThrough]:
    """Open the content store of ``access`` for one image, and name the image in its index when it is complete there.

    ``reference`` is the name that the user gave, None for an image that is not in a registry. Raises `StorageFailed` or
    `DestinationRefused` for a path that is no store.
    """
    store = ContentStore.of(access)
    through = PullThrough(store, reference, offline=access.network.offline)
    try:
        async with store.used():
            yield through
            await through.name_image()
            await through.name_referrers()
    finally:
        if access.storage.shared_files is None:
            store.save_record()


class PullThrough:
    """The content store, as the source of one image uses it.

    With ``offline``, what is not in the store raises `Offline`.
    """

    def __init__(self, store: ContentStore, reference: Reference | None, *, offline: bool = False) -> None:
        self._store, self._offline = store, offline
        self._name = "" if reference is None else stored_name(reference)
        self._pinned = None if reference is None else reference.digest
        self._root: Manifest | None = None
        self._images: list[Manifest] = []
        self._stored_referrers: StoredReferrers | None = None
        self._reference = reference

    @property
    def referrers(self) -> StoredReferrers:
        """What refers to the images, listed through the store."""
        if self._stored_referrers is None:
            from .stored_referrers import StoredReferrers

            self._stored_referrers = StoredReferrers(self._store, self._reference, offline=self._offline)
        return self._stored_referrers

    async def name_image(self) -> bool:
        """Name the image in the index of the store, if an image of it is complete there; return whether one is."""
        if self._root is None or not await self._is_complete():
            return False
        await self._store.name(self._name, self._root)
        return True

    async def name_referrers(self) -> None:
        """Name what refers to the images in the index of the store, if that was asked for."""
        if self._stored_referrers is not None:
            await self._stored_referrers.name_all()

    async def digest(self) -> Digest | None:
        """Return the digest of the image, if no request is allowed and it was pulled by this name before."""
        if not self._offline:
            return None
        entry = None if self._pinned else await self._store.find(self._name)
        return entry.digest if entry else self._pinned

    async def manifest(
        self, descriptor: Descriptor | None, request: Callable[[], Awaitable[Manifest]]
    ) -> Manifest:
        """Return the root manifest, or a child by its descriptor, and store it if it had to be requested.

        A root without a digest is requested, since its tag may have been moved; with ``offline`` it is the image that
        was pulled by this name last. Raises `Offline`, and what ``request`` raises.
        """
        wanted = self._pinned if descriptor is None else descriptor.digest
        media_type = "" if descriptor is None else descriptor.media_type
        if wanted is None and self._offline:
            entry = await self._store.find(self._name)
            wanted, media_type = (None, "") if entry is None else (entry.digest, entry.media_type)
        found = None if wanted is None else await self._store.manifest(wanted, media_type)
        if found is None and descriptor is not None and await self._store.holds(descriptor):
            raise InvalidContent(f"{descriptor.digest} is no manifest")  # a blob in an index, as of a build cache
        if found is None:
            if self._offline:
                what = str(wanted or self._name)
                raise Offline(self._message(f"manifest {what} is"), missing=(what,))
            found = await request()
            await self._store.add_manifest(found)
        self._note(found, root=descriptor is None)
        return found

    async def add_manifest(self, manifest: Manifest, *, root: bool) -> None:
        """Store a manifest of the image that is known already; ``root`` is whether it is the first one."""
        await self._store.add_manifest(manifest)
        self._note(manifest, root=root)

    def _note(self, manifest: Manifest, *, root: bool) -> None:
        if self._stored_referrers is not None and manifest.digest in self._stored_referrers.listed:
            return  # that it is complete does not mean that an image is
        if root:
            self._root = manifest
        if not manifest.is_index:
            self._images.append(manifest)

    def needs(self, digest: Digest) -> bool:
        """Return whether an image has this blob."""
        return any(blob.digest == digest for image in self._images for blob in image.blobs)

    def blob(self, fetched: Blob) -> Blob:
        """Return a blob that goes through the store when it is read; ``fetched`` is read from elsewhere."""
        return replace(fetched, stored=_StoredBlob(self, fetched), ending=self._ending(fetched))

    async def holds(self, descriptor: Descriptor) -> bool:
        """Return whether a blob is in the store."""
        if descriptor.size == UNKNOWN_SIZE:
            return await self.blob_size(descriptor) is not None
        return await self._store.holds(descriptor)

    async def blob_size(self, descriptor: Descriptor) -> int | None:
        """Return the size of a blob whose manifest does not state it; None if it is not in the store."""
        path = self._store.path(descriptor.digest)
        if not await self._store.open():
            return None
        try:
            status = os.lstat(path)
        except OSError:
            return None
        sized = replace(descriptor, size=status.st_size)
        return sized.size if await self._store.holds(sized) else None

    async def bring(self, fetched: Blob, progress: Progress) -> tuple[Blob, Placement]:
        """As `ContentStore.bring`; raises `Offline` for a blob that is not there."""
        if self._offline and not await self._store.holds(fetched.descriptor):
            digest = str(fetched.descriptor.digest)
            raise Offline(self._message(f"blob {digest} is"), missing=(digest,))
        return await self._store.bring(fetched, progress)

    async def discard(self, descriptor: Descriptor) -> bool:
        """As `ContentStore.discard`."""
        return await self._store.discard(descriptor)

    def _message(self, what: str) -> str:
        return f"{what} not in the store {self._store.root}, and --offline allows no request"

    def _ending(self, fetched: Blob) -> Callable[[int], Awaitable[bytes]]:
        async def ending(count: int) -> bytes:
            descriptor = fetched.descriptor
            if await self._store.holds(descriptor):
                return read_range(self._store.path(descriptor.digest), max(0, descriptor.size - count), count)
            return b"" if fetched.ending is None or self._offline else await fetched.ending(count)

        return ending

    async def _is_complete(self) -> bool:
        """Return whether the store has all blobs of an image of those that were read."""
        for image in self._images:
            missing = [blob for blob in image.blobs if not blob.urls and not await self.holds(blob)]
            if not missing:
                return True
        return False


class _StoredBlob:
    """A blob on its way through the store; see `streams.pump.Stored`."""

    def __init__(self, through: PullThrough, fetched: Blob) -> None:
        self._through, self._fetched = through, fetched

    async def bring(self, progress: Progress, *, is_document: bool = False) -> tuple[Blob, Placement]:
        fetched = self._fetched
        if is_document:
            fetched = replace(fetched, opener=self._open_document, range_opener=None)
        return await self._through.bring(fetched, progress)

    @asynccontextmanager
    async def _open_document(self, offset: int) -> AsyncIterator[BlobReader]:
        """Open a small document, whose time is limited as a whole."""
        async with self._fetched.opener(offset) as reader:
            reader.is_document = True
            yield reader

    async def discard(self) -> bool:
        return await self._through.discard(self._fetched.descriptor)


def stored_name(reference: Reference) -> str:
    """Return the name of an image in the index of the store: its tag decides only if there is no digest."""
    return str(replace(reference, tag="") if reference.digest else reference)
