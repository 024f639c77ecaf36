"""What the images of a run share: how many blobs move at once, and the blobs that are at the destination already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..engine.transfer import LARGE_AT_ONCE, SMALL, SMALL_AT_ONCE
from ..errors import Unsupported
from ..fast_dataclass import dataclass
from ..interfaces import Blob, KnowsSizes
from ..model.events import Placement
from ..streams.locations import RegistryBlob
from ..transports.directory import DirDestination

if TYPE_CHECKING:
    from anyio import CapacityLimiter, Lock

    from ..interfaces import Accepts, Fill, ImageDestination, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from ..streams.locations import Location
    from ..streams.pump import Progress

_MOST_PLACES = 8


class Lanes:
    """The blobs of all images that move at once: so many large ones, and small ones besides."""

    def __init__(self) -> None:
        from anyio import CapacityLimiter

        self._large, self._small = CapacityLimiter(LARGE_AT_ONCE), CapacityLimiter(SMALL_AT_ONCE)

    def lane(self, size: int | None) -> CapacityLimiter:
        """The one for a blob of so many bytes; None where that is not known before."""
        return self._large if size is None or size > SMALL else self._small


class Ledger:
    """Where each blob was put during this run, and whose turn it is to put it somewhere: one image at a time."""

    def __init__(self) -> None:
        from anyio import Lock

        self._turns: defaultdict[Digest, Lock] = defaultdict(Lock)
        self._places: defaultdict[Digest, list[Location]] = defaultdict(list)

    def turn(self, digest: Digest) -> Lock:
        return self._turns[digest]

    def places(self, digest: Digest) -> tuple[Location, ...]:
        """The latest first."""
        return tuple(reversed(self._places.get(digest, ())))

    def add(self, digest: Digest, places: tuple[Location, ...]) -> None:
        known = self._places[digest]
        known += [place for place in places if place not in known]
        # A registry's repositories are kept, since what is known to be there need not be asked for.
        if len(known) > _MOST_PLACES and not isinstance(known[0], RegistryBlob):
            del known[:-_MOST_PLACES]


@dataclass(frozen=True, slots=True)
class Shared:
    """For all images of a run."""

    lanes: Lanes
    ledger: Ledger


class SharingDestination:
    """A destination that knows what other images of the run have put where.

    ``where`` says where a blob is that has been put here.
    """

    def __init__(
        self, destination: ImageDestination, shared: Shared, where: Callable[[Digest], tuple[Location, ...]]
    ) -> None:
        self._destination = destination
        self._lanes, self._ledger = shared.lanes, shared.ledger
        self._where = where

    @property
    def accepts(self) -> Accepts:
        return self._destination.accepts

    async def begin(self, root: Manifest) -> None:
        await self._destination.begin(root)

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        digest = blob.descriptor.digest
        # Whoever waits for another's turn holds no lane, so that those in a lane always get on.
        async with self._ledger.turn(digest):
            known = self._ledger.places(digest)
            here = self._where(digest)
            if any(isinstance(place, RegistryBlob) and place in known for place in here):
                return Placement.PRESENT
            # First what this run wrote: it is nearest. A mount is asked for from one repository only.
            blob = replace(blob, locations=(*known, *blob.locations))
            async with self._lanes.lane(blob.descriptor.size):
                placement = await self._destination.put_blob(blob, progress)
            self._ledger.add(digest, here)
        return placement

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        async with self._lanes.lane(None):
            descriptor, placement = await self._destination.receive(fill)
        self._ledger.add(descriptor.digest, self._where(descriptor.digest))
        return descriptor, placement

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return await self._destination.has_blob(descriptor)

    async def has_manifest(self, manifest: Manifest) -> bool:
        return await self._destination.has_manifest(manifest)

    async def put_manifest(self, manifest: Manifest) -> None:
        await self._destination.put_manifest(manifest)

    async def commit(self, root: Manifest) -> Digest:
        return await self._destination.commit(root)


def sharing(destination: ImageDestination, reference: Reference | None, shared: Shared) -> SharingDestination:
    """``destination``, whose name in a registry is ``reference``, as one of many."""
    if reference is not None:
        here = RegistryBlob(reference.api_host, reference.repository)
        return SharingDestination(destination, shared, lambda _: (here,))
    if isinstance(destination, DirDestination):
        return SharingDestination(destination, shared, destination.files)
    return SharingDestination(destination, shared, lambda _: ())  # a layout finds by name what it has


class ReadSource:
    """A source whose root has been read already."""

    def __init__(self, source: ImageSource, root: Manifest) -> None:
        self._source, self._root = source, root

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        return self._root if descriptor is None else await self._source.manifest(descriptor)

    def blob(self, descriptor: Descriptor) -> Blob:
        return self._source.blob(descriptor)

    async def size(self, descriptor: Descriptor) -> int:
        """How large a blob is, where the source can tell; raises `Unsupported`."""
        if not isinstance(self._source, KnowsSizes):
            raise Unsupported("Docker image manifest schema 1 is read from registries and dir: only")
        return await self._source.size(descriptor)
