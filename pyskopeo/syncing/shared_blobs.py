"""State shared by the images of one sync: limits for concurrent blobs, and the locations of blobs already written."""

from __future__ import annotations

from collections import defaultdict
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..engine.destination_wrapper import DestinationWrapper
from ..engine.transfer import LARGE_AT_ONCE, SMALL, SMALL_AT_ONCE
from ..fast_dataclass import replace
from ..model.events import Placement
from ..streams.locations import RegistryBlob
from ..streams.pump import Blob

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from anyio import CapacityLimiter, Lock

    from ..interfaces import Fill, ImageDestination
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..streams.locations import Location
    from ..streams.progress import Progress

    ReportWaiting: TypeAlias = Callable[[int], None]

_MAX_LOCATIONS = 8


def ignore(blobs: int) -> None:
    """Discard the number of blobs that wait."""


class OtherRuns(Protocol):
    """What other runs do at the same time with the blobs that this one is about to put at the destination."""

    def claim(self, digest: Digest, place: RegistryBlob) -> AbstractAsyncContextManager[tuple[RegistryBlob, ...]]:
        """Return a context manager that yields where a blob is; () if the caller puts it at ``place`` now.

        Others wait for that; when the context ends without an error, it is there.
        """
        ...


class SharedBlobs:
    """The blobs of all images of a run: limits for concurrent ones, and the locations of those already written.

    ``other_runs`` are those that write to the same registry at the same time, None: there are none.
    """

    def __init__(self, other_runs: OtherRuns | None = None) -> None:
        from anyio import CapacityLimiter

        self._large, self._small = CapacityLimiter(LARGE_AT_ONCE), CapacityLimiter(SMALL_AT_ONCE)
        self.other_runs = other_runs
        # With the number of those who hold or want the lock; only while there are any: a sync has very many blobs.
        self._locks: dict[Digest, tuple[Lock, int]] = {}
        self._locations: defaultdict[Digest, list[Location]] = defaultdict(list)

    def wrap(self, destination: ImageDestination, report_waiting: ReportWaiting = ignore) -> ImageDestination:
        """Return a wrapper of ``destination`` that shares blobs with all others wrapped here.

        ``report_waiting`` is called with the number of its blobs that wait for those of other images, whenever it
        changes: another image writes the same blob, or there are as many in transfer as may be.
        """
        return _SharingDestination(destination, self, report_waiting)

    def limiter(self, size: int | None) -> CapacityLimiter:
        """Return the limiter for a blob of ``size`` bytes; None: unknown before it is written."""
        return self._large if size is None or size > SMALL else self._small

    @contextmanager
    def lock(self, digest: Digest) -> Iterator[Lock]:
        """Yield the lock of a blob, so that only one image writes it."""
        from anyio import Lock

        lock, users = self._locks.get(digest) or (Lock(), 0)
        self._locks[digest] = lock, users + 1
        try:
            yield lock
        finally:
            lock, users = self._locks.pop(digest)
            if users > 1:
                self._locks[digest] = lock, users - 1

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        """Return where this run has put a blob, the latest location first."""
        return tuple(reversed(self._locations.get(digest, ())))

    def add(self, digest: Digest, locations: tuple[Location, ...]) -> None:
        """Add locations of a blob."""
        known = self._locations[digest]
        known += [location for location in locations if location not in known]
        # Of a registry, all repositories are kept: where a blob is known to exist, no request is needed.
        if len(known) > _MAX_LOCATIONS and not isinstance(known[0], RegistryBlob):
            del known[:-_MAX_LOCATIONS]


class _SharingDestination(DestinationWrapper):
    """Skips blobs that the run has written to the same repository, and offers their locations for the others."""

    def __init__(self, destination: ImageDestination, shared: SharedBlobs, report_waiting: ReportWaiting) -> None:
        super().__init__(destination)
        self._shared, self._report_waiting = shared, report_waiting
        self._waiting = 0

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        # The limiter is taken after the lock, so that a task that holds a slot never waits for another image.
        with self._shared.lock(blob.descriptor.digest) as lock:
            async with self._hold(lock):
                return await self._put_locked(blob, progress)

    async def _put_locked(self, blob: Blob, progress: Progress) -> Placement:
        """Write a blob that no other image writes now, or find that it is there."""
        digest = blob.descriptor.digest
        known, here = self._shared.locations(digest), self.locations(digest)
        if any(isinstance(location, RegistryBlob) and location in known for location in here):
            return Placement.PRESENT
        async with AsyncExitStack() as claimed:
            if not known and self._shared.other_runs is not None and here and isinstance(here[0], RegistryBlob):
                known = await self._claim(self._shared.other_runs.claim(digest, here[0]), claimed)
                self._shared.add(digest, known)
                if here[0] in known:
                    return Placement.PRESENT
            return await self._put_new_blob(blob, progress, known)

    async def _put_new_blob(self, blob: Blob, progress: Progress, known: tuple[Location, ...]) -> Placement:
        """Write a blob that is not in this repository; ``known`` is where it is at the destination."""
        digest = blob.descriptor.digest
        # Locations of this run come first: only one repository is tried for a mount, and it is known to exist.
        blob = replace(blob, locations=(*known, *blob.locations))
        async with self._hold(self._shared.limiter(blob.descriptor.size)):
            placement = await super().put_blob(blob, progress)
        self._shared.add(digest, self.locations(digest))
        return placement

    async def _claim(
        self, claim: AbstractAsyncContextManager[tuple[RegistryBlob, ...]], stack: AsyncExitStack
    ) -> tuple[Location, ...]:
        """Enter a claim, and report that a blob waits for it."""
        self._count_waiting(1)
        try:
            return await stack.enter_async_context(claim)
        finally:
            self._count_waiting(-1)

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        async with self._hold(self._shared.limiter(None)):
            descriptor, placement = await super().receive(fill)
        self._shared.add(descriptor.digest, self.locations(descriptor.digest))
        return descriptor, placement

    @asynccontextmanager
    async def _hold(self, limit: Lock | CapacityLimiter) -> AsyncIterator[None]:
        """Hold a lock or a place of a limiter, and report that a blob waits for it."""
        from anyio import WouldBlock

        try:
            limit.acquire_nowait()
        except WouldBlock:
            self._count_waiting(1)
            try:
                await limit.acquire()
            finally:
                self._count_waiting(-1)
        try:
            yield
        finally:
            limit.release()

    def _count_waiting(self, change: int) -> None:
        self._waiting += change
        self._report_waiting(self._waiting)
