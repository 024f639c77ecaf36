"""An image of a lock file as the source of a copy: manifests from the lock, blobs by digest from its sources."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_reference
from ..errors import InvalidContent, NotFound, Unsupported
from ..fast_dataclass import replace
from ..interfaces import ImageReference, ImageSource
from ..model.locked_image import parse_source
from ..model.referrer import Referrer
from ..model.referrer_index import referrer_descriptor
from ..streams.locations import RegistryBlob
from ..streams.pump import Blob
from .registry_queries import open_sources
from .stored_signatures import read_stored_signatures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.lock_file import LockFile
    from ..model.locked_image import LockedImage
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from ..model.signature import Signature
    from ..storage.pull_through import PullThrough
    from ..streams.byte_streams import BlobReader
    from .registry_queries import Download


class LockedReference(ImageReference):
    """An image of a lock file, by its name and digest in its registry, for policies and messages.

    With ``record`` its manifests are added to the content store, if there is one; without, the store stays as it is.
    """

    transport = "docker"
    reference: Reference

    def __init__(self, lock: LockFile, image: LockedImage, *, record: bool = True) -> None:
        super().__init__(f"//{image.reference}")
        self.reference = image.reference
        self._lock, self._image, self._record = lock, image, record

    def subject(self) -> Subject:
        return by_reference("docker", self.reference)

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        """Open the image; nothing is requested, or loaded for requests, before a blob is read."""
        return _open_source(self._lock, self._image, access, record=self._record)


class LockedSource(ImageSource):
    """An image of a lock file; no manifest is requested, and what is not in the lock is an error.

    ``stack`` is where its connections are closed, ``through`` the content store that it is read through; see
    `LockedReference` for ``record``.
    """

    def __init__(
        self, lock: LockFile, image: LockedImage, access: Access, stack: AsyncExitStack, through: PullThrough | None,
        *, record: bool,
    ) -> None:  # fmt: skip
        from anyio import Lock

        self._lock, self._image, self._access = lock, image, access
        self._through, self._record = through, record
        self._stack, self._opening = stack, Lock()
        self._download: Download | None = None
        # Listed, and not there when the image was locked.
        self._dangling = {one.digest for one in image.referrers or () if one.digest not in lock.manifests}
        self._here = tuple(
            RegistryBlob(found.api_host, found.repository) for found in map(parse_source, image.sources)
        )

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        digest = self._image.digest if descriptor is None else descriptor.digest
        found = self._lock.manifests.get(digest)
        if found is None and digest in self._dangling:
            raise NotFound(f"it is not in the lock: lock --referrers --update {self._image.name} adds it")
        if found is None:
            platform = f" for {descriptor.platform}" if descriptor and descriptor.platform else ""
            raise InvalidContent(f"manifest {digest}{platform} of {self._image.name} is not in the lock")
        if self._through is not None and self._record:
            await self._through.add_manifest(found, root=descriptor is None)
        return found

    async def referrers(self, digest: Digest, artifact_type: str = "") -> tuple[Referrer, ...]:
        """Return what the lock says of what refers to a manifest; raises `Unsupported` if it says nothing."""
        listed = self._image.referrers
        if listed is None:
            raise Unsupported(
                f"the lock does not say what refers to {self._image.name}: lock --referrers --update {self._image.name}"
            )
        found = {one.digest: referrer_descriptor(one) for one in self._lock.referrers_of(digest)}
        if digest == self._image.digest:
            found |= {one.digest: one for one in listed}
        referring = tuple(Referrer(found[one], found[one].artifact_type, "subject") for one in sorted(found))
        if self._through is not None and self._record:
            self._through.referrers.note(digest, referring)
        return referring

    def blob(self, descriptor: Descriptor) -> Blob:
        @asynccontextmanager
        async def opened(offset: int) -> AsyncIterator[BlobReader]:
            download = await self._open()
            async with download(descriptor, offset) as reader:
                yield reader

        fetched = Blob(descriptor, opened, self._here)
        return fetched if self._through is None else self._through.blob(fetched)

    async def signatures(
        self, descriptor: Descriptor | None = None, *, required: bool = False
    ) -> tuple[Signature, ...]:
        """Return the signatures that the registry of the image has now, if a policy needs them.

        Those that are only copied have no place where locks are prefetched to.
        """
        if not required:
            return ()
        digest = self._image.digest if descriptor is None else descriptor.digest
        return await read_stored_signatures(self._image.reference, digest, self._access)

    async def is_stored(self, descriptor: Descriptor) -> bool:
        return self._through is not None and await self._through.holds(descriptor)

    async def _open(self) -> Download:
        """Return the function that reads blobs from the image's sources, which are opened once."""
        async with self._opening:
            if self._download is None:
                image = self._image
                sources = [replace(parse_source(source), digest=image.digest) for source in image.sources]
                opened = open_sources(image.reference, sources, self._access)
                self._download = await self._stack.enter_async_context(opened)
        return self._download


@asynccontextmanager
async def _open_source(
    lock: LockFile, image: LockedImage, access: Access, *, record: bool
) -> AsyncIterator[ImageSource]:
    async with AsyncExitStack() as stack:
        through = None
        if access.storage.store is not None:
            from ..storage.pull_through import open_through

            through = await stack.enter_async_context(open_through(image.reference, access))
        yield LockedSource(lock, image, access, stack, through, record=record)
