"""A source and a destination that exist in memory only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from pyskopeo.interfaces import Accepts, Fill, ImageDestination, ImageSource
from pyskopeo.model import mediatype
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import (
    Placement,
)
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.platform import Platform
from pyskopeo.streams.byte_streams import BlobReader
from pyskopeo.streams.progress import Progress
from pyskopeo.streams.pump import Blob, MemoryReader, MemorySink

from .images import BuiltImage, ImageSpec, IndexSpec, PlatformSpec, build

AMD64 = Platform("linux", "amd64")
OCI = Accepts(frozenset({mediatype.OCI_MANIFEST, mediatype.OCI_INDEX}))


class Source(ImageSource):
    """Gives an image's manifests and blobs, and notes what was asked for."""

    def __init__(self, image: BuiltImage) -> None:
        self.image = image
        self.manifests: list[str] = []
        self.opened: list[str] = []
        self.at_once = self.most_at_once = 0

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        digest = self.image.digest if descriptor is None else str(descriptor.digest)
        self.manifests.append(digest)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await anyio.sleep(0.01)
        self.at_once -= 1
        return Manifest.parse(self.image.manifests[digest].raw, expected=Digest.parse(digest))

    def blob(self, descriptor: Descriptor) -> Blob:
        @asynccontextmanager
        async def opened(offset: int) -> AsyncIterator[BlobReader]:
            self.opened.append(str(descriptor.digest))
            yield MemoryReader(self.image.blobs[str(descriptor.digest)], offset)

        return Blob(descriptor, opened)


Put = Callable[[Blob], Awaitable[None]]


class Destination(ImageDestination):
    """Keeps everything, and notes the order in which it came."""

    def __init__(self, accepts: Accepts = OCI, before: Put | None = None) -> None:
        self.accepts, self._before = accepts, before
        self.log: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.at_once = self.most_at_once = 0

    async def begin(self, root: Manifest) -> None:
        self.log.append("begin")

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self._before is not None:
                await self._before(blob)
            sink = MemorySink()
            await blob.copy_to(sink, progress)
        finally:
            self.at_once -= 1
        self.log.append("blob")
        self.blobs[str(blob.descriptor.digest)] = bytes(sink.content)
        return Placement.WRITTEN

    async def has_manifest(self, manifest: Manifest) -> bool:
        return f"manifest {manifest.digest}" in self.log

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        sink = MemorySink()
        descriptor = await fill(sink)
        self.blobs[str(descriptor.digest)] = bytes(sink.content)
        return descriptor, Placement.WRITTEN

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return str(descriptor.digest) in self.blobs

    async def put_manifest(self, manifest: Manifest) -> None:
        self.log.append(f"manifest {manifest.digest}")

    async def commit(self, root: Manifest) -> Digest:
        self.log.append("commit")
        return root.digest


def nested(*architectures: tuple[str, ...]) -> BuiltImage:
    """An index of indexes without platforms, with these images in each."""
    indexes = (IndexSpec(tuple(ImageSpec(platform=PlatformSpec(a)) for a in names)) for names in architectures)
    return build(IndexSpec(tuple(indexes)))
