"""What of an image is on this machine: manifests that the destination has, and blobs that need no request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Offline
from ..interfaces import ImageSource
from ..streams.locations import RegistryBlob
from .plan import has_foreign_urls

if TYPE_CHECKING:
    from ..interfaces import ImageDestination
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.signature import Signature
    from ..streams.pump import Blob
    from .plan import Graph


class LocalManifests(ImageSource):
    """A source, for reading a graph, whose manifests are not requested if the destination has them.

    ``pinned`` is the digest of its root.
    """

    def __init__(self, source: ImageSource, destination: ImageDestination, pinned: Digest) -> None:
        self._source, self._destination, self._pinned = source, destination, pinned
        self.synthesized = source.synthesized

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        digest = self._pinned if descriptor is None else descriptor.digest
        found = self._destination.local_manifest(digest, "" if descriptor is None else descriptor.media_type)
        return await self._source.manifest(descriptor) if found is None else found

    def blob(self, descriptor: Descriptor) -> Blob:
        return self._source.blob(descriptor)

    async def signatures(
        self, descriptor: Descriptor | None = None, *, required: bool = False
    ) -> tuple[Signature, ...]:
        return await self._source.signatures(descriptor, required=required)

    async def blob_size(self, descriptor: Descriptor) -> int:
        return await self._source.blob_size(descriptor)

    async def is_stored(self, descriptor: Descriptor) -> bool:
        return await self._source.is_stored(descriptor)


async def check_available(
    graph: Graph, source: ImageSource, destination: ImageDestination, *, layers: bool = True
) -> None:
    """Raise `Offline`, with all blobs of the graph that are neither stored nor at the destination.

    ``layers`` is whether the layers are needed.
    """
    if not layers:
        from .shallow_copy import only_configs

        graph = only_configs(graph)
    images = [manifest for manifest in (graph.root, *graph.children.values()) if not manifest.is_index]
    blobs = {blob.digest: blob for image in images for blob in image.blobs} | dict(graph.entry_blobs)
    missing = [
        blob for blob in blobs.values()
        if not (destination.accepts.foreign and has_foreign_urls(blob))
        and any(isinstance(location, RegistryBlob) for location in source.blob(blob).locations)
        and not await source.is_stored(blob) and not await destination.has_blob(blob)
    ]  # fmt: skip
    if missing:
        listed = ", ".join(str(blob.digest) for blob in missing)
        where = "neither in a content store nor at the destination"
        raise Offline(
            f"{len(missing)} of {len(blobs)} blobs are {where}, and --offline allows no request: {listed}",
            missing=tuple(str(blob.digest) for blob in missing),
        )
