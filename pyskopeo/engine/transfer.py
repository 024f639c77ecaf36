"""Copy the blobs of a plan concurrently, report their progress, and change layers on the way."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..fast_dataclass import dataclass, replace
from ..model.change import Change, Outcome
from ..model.events import BlobFinished, BlobProgress, BlobStarted, Placement, Report
from ..model.mediatype import compression
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import WorkQueue, processors
from ..streams.memory_blob import in_memory
from ..streams.plain_content import InflatedTotal, PlainContent
from ..streams.progress import KeptProgress, uncounted
from ..streams.pump import Blob, NullSink
from .plan import DEFAULT_FORM
from .planner import plan_with_outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..interfaces import ImageDestination, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..streams.byte_streams import BlobSink, ChangingSink
    from .plan import Plan

_TICK = 0.2
LARGE_AT_ONCE = 6
# Bytes. The time of a blob up to this size is a few round trips, so more of them are copied concurrently.
SMALL = 4 * 1024 * 1024
SMALL_AT_ONCE = 18


@dataclass(frozen=True, slots=True)
class _Item:
    """A blob to copy; ``kind`` is ``layer`` or ``config``, ``change`` how to change it on the way, if at all."""

    blob: Blob
    kind: str
    change: Change | None = None

    @property
    def size(self) -> int:
        return self.blob.descriptor.size


class _Progress(KeptProgress):
    """Progress of one blob: ``done`` bytes have been read, ``reported`` is what the last event said.

    Updated by worker threads, of which only one works on a blob at a time.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self.done = 0
        self.reported = -1
        self.placement: Placement | None = None

    def __call__(self, moved: int) -> None:
        """Called in worker threads, one at a time, with the number of bytes read from the first one on;
        bytes that are read again are not counted twice."""
        self.done = max(self.done, moved)


class Transfer:
    """Copies the blobs of one image and reports their progress.

    ``moved`` is the number of bytes fetched for the blobs written so far; ``outcomes`` are the changed layers, by their
    digests at the source. ``jobs`` is the maximum number of blobs copied concurrently; None: see `carry_out`;
    ``small_at_once`` is that of the small ones then.
    """

    def __init__(
        self, source: ImageSource, destination: ImageDestination, report: Report, jobs: int | None = None, *,
        small_at_once: int = SMALL_AT_ONCE,
    ) -> None:  # fmt: skip
        """Raises `InvalidInput` for ``jobs`` below 1."""
        if jobs is not None and jobs < 1:
            raise InvalidInput(f"{jobs} blobs at once are too few: want at least 1")
        self.source, self.destination, self.report = source, destination, report
        self._jobs, self._small_at_once = jobs, small_at_once
        self._under_way: dict[_Progress, None] = {}
        self._placed: set[Digest] = set()
        self._form = DEFAULT_FORM
        self.moved = 0
        self.outcomes: dict[Digest, Outcome] = {}

    async def run(self, plan: Plan, present: frozenset[Digest]) -> Plan:
        """Copy all blobs of ``plan`` to the destination, except those that this transfer has copied before.

        ``present`` are manifests whose blobs are there already. Returns the plan with the manifests to write, which
        are known only now where layers were changed. Raises the errors of source and destination.
        """
        from anyio import create_task_group

        self._form = plan.inputs.form if plan.inputs else DEFAULT_FORM
        items = self._items(plan, present)
        in_order = self.destination.accepts.ordered or bool(plan.changes)
        if not in_order:  # largest first: if a large blob came last, it would be copied alone
            items.sort(key=lambda item: -item.size)
        large = [item for item in items if in_order or self._jobs or item.size > SMALL]
        large_at_once = self._jobs or min(LARGE_AT_ONCE, processors())
        async with create_task_group() as ticker:
            ticker.start_soon(self._report_progress)
            async with create_task_group() as workers:
                for part, at_once in ((large, large_at_once), (items[len(large) :], self._small_at_once)):
                    queue = WorkQueue(part)
                    for _ in range(min(at_once, len(part))):
                        workers.start_soon(self._move, queue)
                    if part is large and (more := min(self._jobs or LARGE_AT_ONCE, len(large)) - at_once) > 0:
                        workers.start_soon(queue.add_workers_when_idle, workers, self._move, more)
            ticker.cancel_scope.cancel()
        if not plan.changes:
            return plan
        return await self.run(plan_with_outcomes(plan, self.outcomes), frozenset())

    def _items(self, plan: Plan, present: frozenset[Digest]) -> list[_Item]:
        """Return the blobs to copy; report those that are at the destination already."""
        manifests = [manifest for manifest in (plan.root, *plan.manifests) if not manifest.is_index]
        missing = {blob.digest for m in manifests if m.digest not in present for blob in m.blobs}
        layers = {layer.digest for manifest in manifests for layer in manifest.layers}
        if plan.inputs is not None:  # blobs in an index: that the index is present does not mean that they are
            missing.update(plan.inputs.graph.entry_blobs)
        items: list[_Item] = []
        located = _LocatedBlobs(self.source, plan)
        for blob in plan.blobs:
            kind = "layer" if blob.digest in layers or compression(blob.media_type) is not None else "config"
            if blob.digest in self._placed:
                continue
            if blob.digest in missing or not present:
                items.append(_Item(located.blob(blob), kind))
            else:
                self.report(BlobStarted(blob.digest, blob.size, kind))
                self.report(BlobFinished(blob.digest, blob.size, Placement.PRESENT))
        items += [_Item(located.blob(blob), "layer", change) for blob, change in plan.changes]
        items += [
            _Item(in_memory(blob, content), "config")
            for blob, content in plan.contents
            if blob.digest not in self._placed
        ]
        return items

    async def _move(self, queue: WorkQueue[_Item]) -> None:
        """Copy blobs from the queue until it is empty."""
        for item in queue:
            digest = item.blob.descriptor.digest
            if item.change is not None and not item.change.rewrites:
                self.outcomes[digest] = Outcome(item.blob.descriptor, await _diff_id(item.blob))
                continue
            with self._reported(item) as progress:
                if item.change is None:
                    progress.placement = await self.destination.put_blob(item.blob, progress)
                else:
                    digest, progress.placement = await self._change(item.blob, item.change, progress)
            self._placed.add(digest)

    async def _change(self, blob: Blob, change: Change, progress: _Progress) -> tuple[Digest, Placement]:
        """Copy a layer and change it on the way; return its digest at the destination."""
        descriptor = blob.descriptor

        async def fill(sink: BlobSink) -> Descriptor:
            changing = await self._changing_sink(sink, change, blob)
            try:
                await blob.copy_to(changing, progress)
                await run_in_thread(changing.finish)
            finally:
                changing.close()
            self.outcomes[descriptor.digest] = changing.outcome
            return changing.outcome.descriptor

        made, placement = await self.destination.receive(fill)
        return made.digest, placement

    async def _changing_sink(self, sink: BlobSink, change: Change, blob: Blob) -> ChangingSink:
        """Return a sink that writes a layer to ``sink`` as ``change`` says."""
        if not change.cipher:
            from ..streams.compress import RecompressingSink

            return RecompressingSink(sink, change, blob.descriptor, f"blob {blob.descriptor.digest}", blob.plain)
        from ..encryption.sinks import DecryptingSink, EncryptingSink

        if change.cipher == "encrypt":
            assert self._form.encryption is not None
            return EncryptingSink(sink, change, blob, self._form.encryption.recipients)
        assert self._form.decryption is not None
        # In a thread: trying private keys takes milliseconds.
        return await run_in_thread(partial(DecryptingSink, sink, change, blob, self._form.decryption.keys))

    @contextmanager
    def _reported(self, item: _Item) -> Iterator[_Progress]:
        """Report the start, progress and end of a blob; after an error, nothing more."""
        descriptor = item.blob.descriptor
        self.report(BlobStarted(descriptor.digest, descriptor.size, item.kind))
        progress = _Progress(descriptor)
        self._under_way[progress] = None
        try:
            yield progress
        finally:
            del self._under_way[progress]
        assert progress.placement is not None
        if progress.placement is Placement.WRITTEN:
            self.moved += max(0, progress.done - progress.kept)
        self.report(BlobFinished(descriptor.digest, descriptor.size, progress.placement, progress.kept))

    async def _report_progress(self) -> None:
        from anyio import sleep

        while True:
            await sleep(_TICK)
            for progress in list(self._under_way):
                if progress.reported != progress.done:
                    progress.reported = progress.done
                    blob = progress.descriptor
                    self.report(BlobProgress(blob.digest, progress.done, blob.size, progress.kept))


class _LocatedBlobs:
    """The blobs of a source for one plan, with what is known of them from its manifests and configurations."""

    def __init__(self, source: ImageSource, plan: Plan) -> None:
        self._source = source
        self._configs = plan.inputs.graph.configs if plan.inputs else {}
        self._diff_ids = plan.inputs.diff_ids if plan.inputs else {}
        self._total = InflatedTotal(plan.max_inflated)

    def blob(self, descriptor: Descriptor) -> Blob:
        """Return the source's blob; a configuration that was read already is not read again."""
        found = self._source.blob(descriptor)
        known = self._configs.get(descriptor.digest)
        if known is not None:
            return replace(found, opener=in_memory(descriptor, known).opener, range_opener=None)
        return replace(found, plain=PlainContent(self._diff_ids.get(descriptor.digest, ()), self._total))


async def _diff_id(blob: Blob) -> Digest:
    """Read a whole layer and return its diff ID: the digest of its uncompressed tar."""
    from ..streams.decompress import InflatingSink

    inflating = InflatingSink(NullSink(), f"blob {blob.descriptor.digest}", blob.plain)
    await blob.copy_to(inflating, uncounted)
    inflating.finish()
    return inflating.digest
