"""The blobs of a plan on their way: how many at once, how far each is, what the changed ones became."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from ..interfaces import Blob, again_elsewhere
from ..model.change import Change, Outcome
from ..model.events import BlobFinished, BlobProgress, BlobStarted, Placement, Report
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import by_turns, processors
from ..streams.pump import MemoryReader, uncounted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from ..interfaces import ImageDestination, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..streams.pump import ByteReader, ByteSink, Progress
    from .plan import Plan

_TICK = 0.2
LARGE_AT_ONCE = 6
# Small blobs are waited for more than moved: each takes a few round trips, whatever its size.
SMALL = 4 * 1024 * 1024
SMALL_AT_ONCE = 18

Work: TypeAlias = Callable[[], Awaitable[None]]


class _Way:
    """How far one blob is; counted in worker threads, one at a time."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self.done = self._read = 0
        self.shown = -1
        self.placement: Placement | None = None

    def begin(self) -> Progress:
        """It is read from its start: what has been read before is no progress."""
        self._read = 0
        return self._count

    def _count(self, number: int) -> None:
        self._read += number
        self.done = max(self.done, self._read)


class Moving:
    """The blobs under way, and how far each is.

    ``moved`` bytes were written so far; ``outcomes`` are the layers that became others, by their
    digests before. ``jobs`` bounds how many move at once, None leaves it to what they are.
    """

    def __init__(self, source: ImageSource, destination: ImageDestination, report: Report, jobs: int | None) -> None:
        self._source, self._destination, self.report, self._jobs = source, destination, report, jobs
        self._ways: dict[_Way, None] = {}
        self._placed: set[Digest] = set()
        self.moved = 0
        self.outcomes: dict[Digest, Outcome] = {}

    async def blobs(self, plan: Plan, present: frozenset[Digest]) -> None:
        """Have all blobs of ``plan`` at the destination that have not been dealt with before.

        What the manifests in ``present`` name is there already.
        """
        from anyio import create_task_group

        manifests = [manifest for manifest in (plan.root, *plan.manifests) if not manifest.is_index]
        missing = {blob.digest for m in manifests if m.digest not in present for blob in m.blobs}
        layers = {layer.digest for manifest in manifests for layer in manifest.layers}
        work: list[tuple[int, Work]] = []
        for blob in plan.blobs:
            kind = "layer" if blob.digest in layers else "config"
            if blob.digest in self._placed:
                continue
            if blob.digest in missing or not present:
                work.append((blob.size, partial(self._place, self._source.blob(blob), kind)))
            else:
                self.report(BlobStarted(blob.digest, blob.size, kind))
                self.report(BlobFinished(blob.digest, blob.size, Placement.PRESENT))
        work += [(blob.size, partial(self._change, blob, change)) for blob, change in plan.changes]
        work += [
            (blob.size, partial(self._place, in_memory(blob, content), "config"))
            for blob, content in plan.contents
            if blob.digest not in self._placed
        ]
        async with create_task_group() as tasks:
            tasks.start_soon(self._tick)
            await self._all(work, in_order=self._destination.accepts.ordered or bool(plan.changes))
            tasks.cancel_scope.cancel()

    async def _all(self, work: Sequence[tuple[int, Work]], *, in_order: bool) -> None:
        from anyio import create_task_group

        async def do(item: tuple[int, Work]) -> None:
            await item[1]()

        # The largest first: the last one to end decides how long it all takes.
        ordered = work if in_order else sorted(work, key=lambda item: -item[0])
        large = [item for item in ordered if in_order or self._jobs or item[0] > SMALL]
        first = self._jobs or min(LARGE_AT_ONCE, processors())
        async with create_task_group() as tasks:
            tasks.start_soon(partial(by_turns, large, do, at_once=first, at_most=self._jobs or LARGE_AT_ONCE))
            tasks.start_soon(partial(by_turns, ordered[len(large) :], do, at_once=SMALL_AT_ONCE))

    async def _place(self, blob: Blob, kind: str) -> None:
        with self._under_way(blob.descriptor, kind) as way:
            way.placement = await again_elsewhere(lambda: self._destination.put_blob(blob, way.begin()))
        self._placed.add(blob.descriptor.digest)

    async def _change(self, descriptor: Descriptor, change: Change) -> None:
        blob = self._source.blob(descriptor)
        if change.format is None:
            diff_id = await again_elsewhere(lambda: _diff_id(blob))
            self.outcomes[descriptor.digest] = Outcome(descriptor, diff_id)
            return
        from ..streams.compress import ChangingSink

        with self._under_way(descriptor, "layer") as way:

            async def fill(sink: ByteSink) -> Descriptor:
                changing = ChangingSink(sink, change, blob.descriptor, f"blob {descriptor.digest}")
                try:
                    await blob.copy_to(changing, way.begin())
                    await run_in_thread(changing.finish)
                finally:
                    changing.close()
                self.outcomes[descriptor.digest] = changing.outcome
                return changing.outcome.descriptor

            made, way.placement = await again_elsewhere(lambda: self._destination.receive(fill))
        self._placed.add(made.digest)

    @contextmanager
    def _under_way(self, descriptor: Descriptor, kind: str) -> Iterator[_Way]:
        """Told of from its start to its end; nothing more after an error."""
        self.report(BlobStarted(descriptor.digest, descriptor.size, kind))
        way = _Way(descriptor)
        self._ways[way] = None
        try:
            yield way
        finally:
            del self._ways[way]
        assert way.placement is not None
        if way.placement is Placement.WRITTEN:
            self.moved += way.done
        self.report(BlobFinished(descriptor.digest, descriptor.size, way.placement))

    async def _tick(self) -> None:
        from anyio import sleep

        while True:
            await sleep(_TICK)
            for way in list(self._ways):
                if way.shown != way.done:
                    way.shown = way.done
                    self.report(BlobProgress(way.descriptor.digest, way.shown, way.descriptor.size))


class _Nowhere:
    """A sink for what is only to be read."""

    def write(self, buffer: memoryview) -> None:
        pass


async def _diff_id(blob: Blob) -> Digest:
    """The digest of the tar in a layer; all of it is read."""
    from ..streams.decompress import InflatingSink

    inflating = InflatingSink(_Nowhere(), f"blob {blob.descriptor.digest}")
    await blob.copy_to(inflating, uncounted)
    inflating.finish()
    return inflating.digest


def in_memory(descriptor: Descriptor, content: bytes) -> Blob:
    """A blob made here."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[ByteReader]:
        yield MemoryReader(content)

    return Blob(descriptor, opened)
