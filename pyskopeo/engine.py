"""Carry out a plan: read the graph, move the blobs, then the manifests that name them, then the root.

Imports no transport, no file, no registry: two ends and a plan are all it knows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import InvalidInput, NoMatchingPlatform, PyskopeoError
from .events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    Converted,
    CopyFinished,
    CopyPlanned,
    ManifestWritten,
    Placement,
    Report,
    ignore,
)
from .image import Blob
from .model import mediatype
from .model.strictjson import CONFIG_LIMIT
from .plan import Graph, Selection, check_depth, decide, no_match, suitable_children, wanted_children
from .pump import MemoryReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from .image import Accepts, ImageDestination, ImageSource
    from .model.descriptor import Descriptor
    from .model.digest import Digest
    from .model.manifest import Manifest
    from .model.platform import Platform
    from .plan import Plan
    from .pump import ByteReader

_TICK = 0.2
_MANIFESTS_AT_ONCE = 8
_JOBS = 6


async def read_graph(
    source: ImageSource, selection: Selection, accepts: Accepts, *, preserve_digests: bool = False
) -> Graph:
    """Read the root and every manifest that is to be copied, concurrently; configurations too,
    where a conversion needs them. Raises the source's errors and `NoMatchingPlatform`."""
    root = await source.manifest()
    if selection.mode == "system":
        root = await find_image(source, root, selection.platform)
    children: dict[Digest, Manifest] = {}
    kept = None
    if root.is_index:
        first = wanted_children(root, selection)
        kept = frozenset(entry.digest for entry in first) if selection.strip else None
        await _read_children(source, first, children)
    graph = Graph(root, children, kept=kept)
    return graph if preserve_digests else await _with_configs(source, graph, accepts)


async def find_image(source: ImageSource, root: Manifest, platform: Platform) -> Manifest:
    """The image for a platform: ``root`` itself unless it is an index, else the first that fits in
    it or in the indexes it names. Raises `NoMatchingPlatform` and the source's errors."""
    return await _find(source, root, platform, set()) if root.is_index else root


async def _find(
    source: ImageSource, index: Manifest, platform: Platform, seen: set[Digest], depth: int = 1
) -> Manifest:
    check_depth(depth)
    missing: list[NoMatchingPlatform] = []
    for entry in suitable_children(index, platform):
        if entry.digest in seen:
            continue
        seen.add(entry.digest)
        found = await source.manifest(entry)
        if not found.is_index:
            return found
        try:
            return await _find(source, found, platform, seen, depth + 1)
        except NoMatchingPlatform as error:
            missing.append(error)
    raise no_match(index, platform, tuple(name for error in missing for name in error.available))


async def _read_children(
    source: ImageSource, first: Sequence[Descriptor], children: dict[Digest, Manifest]
) -> None:
    from anyio import CapacityLimiter, create_task_group

    limiter = CapacityLimiter(_MANIFESTS_AT_ONCE)

    async def read(entry: Descriptor) -> None:
        async with limiter:
            children[entry.digest] = await source.manifest(entry)

    level, depth = list(first), 1
    while level:
        check_depth(depth)
        fresh = {entry.digest: entry for entry in level if entry.digest not in children}
        with first_error():
            async with create_task_group() as tasks:
                for entry in fresh.values():
                    tasks.start_soon(read, entry)
        # What was read before is not read again, so indexes that name each other come to an end.
        level = [entry for digest in fresh for entry in children[digest].manifests]
        depth += 1


async def _with_configs(source: ImageSource, graph: Graph, accepts: Accepts) -> Graph:
    configs: dict[Digest, bytes] = {}
    actual: dict[Digest, str] = {}
    for manifest in (graph.root, *graph.children.values()):
        if manifest.is_index or manifest.media_type in accepts.media_types or not manifest.is_image:
            continue
        assert manifest.config is not None
        if manifest.config.digest not in configs:
            configs[manifest.config.digest] = await source.blob(manifest.config).read(CONFIG_LIMIT)
        for layer in manifest.layers:
            if not mediatype.is_foreign(layer.media_type):
                actual[layer.digest] = source.blob(layer).descriptor.media_type
    return replace(graph, configs=configs, actual=actual)


async def make_plan(
    source: ImageSource, destination: ImageDestination, selection: Selection, *, preserve_digests: bool = False
) -> Plan:
    """Read the source and decide; nothing is written."""
    graph = await read_graph(source, selection, destination.accepts, preserve_digests=preserve_digests)
    return decide(graph, destination.accepts, preserve_digests=preserve_digests)


async def carry_out(
    plan: Plan, source: ImageSource, destination: ImageDestination, *, jobs: int | None = None, report: Report = ignore
) -> Digest:
    """Move all blobs, ``jobs`` at once, then write the manifests, then the root.

    Six are moved at once by default; where they are decompressed on the way, no more than there
    are processors for.

    The first failure cancels the rest and is what is raised. Answers with the digest of the root
    as the destination has it. Raises what the two ends raise, and `InvalidInput` for no jobs at all.
    """
    from anyio import create_task_group

    if jobs is None:
        jobs = min(_JOBS, (os.cpu_count() or 1) + 1) if destination.accepts.ordered else _JOBS
    if jobs < 1:
        raise InvalidInput(f"{jobs} blobs at once are too few: want at least 1")
    started = time.monotonic()
    report(CopyPlanned(plan.root.digest, plan.all_blobs, plan.total, plan.images))
    if plan.converted:
        report(Converted(plan.source, plan.root.digest))
    moving = _Moving(source, destination, report)
    await destination.begin(plan.root)
    with first_error():
        async with create_task_group() as tasks:
            tasks.start_soon(moving.tick)
            await moving.all(plan, jobs)
            tasks.cancel_scope.cancel()
    for manifest in plan.manifests:
        await destination.put_manifest(manifest)
        report(ManifestWritten(manifest.digest, len(manifest.raw), root=False))
    digest = await destination.commit(plan.root)
    report(ManifestWritten(digest, len(plan.root.raw), root=True))
    report(CopyFinished(digest, moving.moved, round(time.monotonic() - started, 3)))
    return digest


class _Moving:
    """The blobs under way, and how far each is. Counts are added in worker threads, one writer each."""

    def __init__(self, source: ImageSource, destination: ImageDestination, report: Report) -> None:
        self._source, self._destination, self._report = source, destination, report
        self._done: dict[Descriptor, int] = {}
        self.moved = 0

    async def all(self, plan: Plan, jobs: int) -> None:
        from anyio import create_task_group

        layers = {layer.digest for manifest in (plan.root, *plan.manifests) for layer in manifest.layers}
        blobs = plan.blobs
        if not self._destination.accepts.ordered:
            # The largest first: the last one to end decides how long it all takes.
            blobs = tuple(sorted(blobs, key=lambda blob: -blob.size))
        waiting = iter(
            [(self._source.blob(blob), "layer" if blob.digest in layers else "config") for blob in blobs]
            + [(in_memory(descriptor, content), "config") for descriptor, content in plan.contents]
        )

        async def work() -> None:
            # Each takes the next one, so the order holds whichever task an event loop starts first.
            for blob, kind in waiting:
                await self._place(blob, kind)

        async with create_task_group() as tasks:
            for _ in range(min(jobs, len(plan.all_blobs))):
                tasks.start_soon(work)

    async def _place(self, blob: Blob, kind: str) -> None:
        descriptor = blob.descriptor
        self._report(BlobStarted(descriptor.digest, descriptor.size, kind))
        self._done[descriptor] = 0

        def count(number: int) -> None:
            self._done[descriptor] += number

        placement = await self._destination.put_blob(blob, count)
        done = self._done.pop(descriptor)
        if placement is Placement.WRITTEN:
            self.moved += done
        self._report(BlobFinished(descriptor.digest, descriptor.size, placement))

    async def tick(self) -> None:
        from anyio import sleep

        shown: dict[Descriptor, int] = {}
        while True:
            await sleep(_TICK)
            for descriptor, done in list(self._done.items()):
                if shown.get(descriptor) != done:
                    shown[descriptor] = done
                    self._report(BlobProgress(descriptor.digest, done, descriptor.size))


def in_memory(descriptor: Descriptor, content: bytes) -> Blob:
    """A blob made here."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened() -> AsyncIterator[ByteReader]:
        yield MemoryReader(content)

    return Blob(descriptor, opened)


@contextmanager
def first_error() -> Iterator[None]:
    """A task group's `ExceptionGroup` becomes its first cause: siblings were only cancelled for it."""
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        ours = next((error for error in leaves if isinstance(error, PyskopeoError)), None)
        raise (ours or leaves[0]) from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
