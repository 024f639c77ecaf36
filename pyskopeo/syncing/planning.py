"""Make the plan of a sync: list its source repository by repository, and write a line for each image.

In memory are a few repositories at a time, and two numbers for each image: their names at the destination are compared.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access
from ..errors import InvalidInput, PyskopeoError, Unsupported, first_error, prefix_errors
from ..fast_dataclass import dataclass
from ..streams.concurrency import WorkQueue, work_off
from . import registry_queries
from .distinct_names import DistinctNames
from .earlier_runs import EarlierRuns
from .places import join_place
from .plan_file import PlanHeader, PlannedImage, PlanWriter
from .plan_options import PlanOptions
from .planned_images import RepositoryPlanner, unresolved
from .selected_images import selected_groups
from .source_lister import REPOSITORIES_AT_ONCE, SourceLister, SourcePart
from .sync_request import LogMessage, SyncRequest, SyncSink, ignore

if TYPE_CHECKING:
    from anyio import CapacityLimiter

    from ..registry.tag_pages import ListedManifest
    from .sync_request import SyncImage

_AHEAD = 2 * REPOSITORIES_AT_ONCE  # repositories that are planned and not yet written
_LINES = 1000  # that are written at once


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """What is in a plan: images, those of them that are unchanged, repositories (or directories or layouts) with some.

    ``size`` is in bytes, of the images whose size is known; that of ``unsized`` ones is not. ``requests`` is the
    estimated number of requests. ``failures`` is the number of sources that could not be listed, and of images that
    could not be asked for.
    """

    images: int = 0
    unchanged: int = 0
    repositories: int = 0
    size: int = 0
    unsized: int = 0
    requests: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """So many of the ``parts`` of the source, repositories for example, and so many images are planned."""

    done: int
    parts: int
    images: int


def plan_header(request: SyncRequest, created: str = "") -> PlanHeader:
    """Return the header of the plan of a request; raises `Unsupported` for what a plan cannot hold."""
    if request.source_transport == "docker-archive":
        raise Unsupported("the images of an archive are copied without a plan: sync --src docker-archive")
    options = PlanOptions(request.selection, request.form, request.referrers)
    # As it will be read: with the platform of this machine.
    return PlanHeader(
        join_place(request.source_transport, request.source),
        join_place(request.destination_transport, request.destination),
        PlanOptions.from_json(options.to_json(), "options"), created,
    )  # fmt: skip


def creation_time() -> str:
    """Return the time for the header of a plan that is made now."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def read_earlier_runs(request: SyncRequest, reports: Sequence[Path]) -> EarlierRuns | None:
    """Read reports of earlier runs of a request, None without any; raises `InvalidInput` and what reading raises."""
    if not reports:
        return None
    from .report_file import read_report

    named = ((str(path), read_report(path)) for path in dict.fromkeys(reports))
    return EarlierRuns.of(named, plan_header(request).options.to_json())


async def plan_sync(
    request: SyncRequest,
    write: Callable[[bytes], Awaitable[object]],
    *,
    created: str = "",
    source_access: Access | None = None,
    earlier: EarlierRuns | None = None,
    resolve: bool = True,
    report: SyncSink = ignore,
    progress: Callable[[PlanProgress], object] | None = None,
) -> PlanTotals:
    """Write the plan of a sync: ``write`` is called with pieces of the file, in order.

    ``created`` is the time for the header (RFC 3339). ``earlier`` are the images that earlier runs have copied: those
    that have not changed since are in the plan as present. Without ``resolve`` no image is asked for: neither digests
    nor sizes are in the plan, except for what is known otherwise. ``report`` is called with messages, and with events
    of the source's registry, ``progress`` after each repository.

    An image whose manifest cannot be read is a failure; without ``request.keep_going`` it raises its error, as does
    a source that cannot be listed at all. Raises `InvalidInput` for an impossible request and for two images with one
    name at the destination.
    """
    request.check()
    if earlier is not None and request.referrers is not None and request.referrers.any:
        raise InvalidInput("a report does not say what refers to an image: plan the referrers without one")
    lines: list[bytes] = []
    writer = PlanWriter(plan_header(request, created), lines.append)
    planning = _Planning(request, earlier or EarlierRuns(), report, resolve=resolve)

    async def flush() -> None:
        await write(b"".join(lines))
        lines.clear()

    totals = _Totals()

    async def add(images: list[PlannedImage]) -> None:
        for image in images:
            writer.add(image)
            totals.add(image)
            if len(lines) >= _LINES:
                await flush()
        totals.repositories += bool(images)
        await flush()
        if progress is not None:
            progress(PlanProgress(planning.done, planning.parts, writer.images))

    async with registry_queries.shared_connections(registry_queries.registry_events(report)) as share:
        await planning.begin(source_access or Access.from_environ(), share)
        await planning.run(add)
    if not writer.images and request.source_transport != "yaml" and not planning.failures:
        raise InvalidInput(f'No images to sync found in "{request.source}"')
    writer.finish()
    await flush()
    return PlanTotals(
        writer.images, totals.unchanged, totals.repositories, writer.size, totals.unsized, writer.requests,
        planning.failures,
    )  # fmt: skip


class _Totals:
    """What is counted while images are added, besides what `PlanWriter` counts."""

    def __init__(self) -> None:
        self.unchanged = self.unsized = self.repositories = 0

    def add(self, image: PlannedImage) -> None:
        self.unchanged += image.present is not None
        self.unsized += image.size is None


class _Planning:
    """The plan of one request, part by part; ``done`` of its ``parts`` are planned."""

    def __init__(self, request: SyncRequest, earlier: EarlierRuns, report: SyncSink, *, resolve: bool) -> None:
        self._request, self._earlier, self._report, self._resolve = request, earlier, report, resolve
        self._names = DistinctNames()
        self._failed = self.done = 0
        self._parts: list[list[SourcePart]] = []
        self._lister: SourceLister | None = None

    @property
    def failures(self) -> int:
        """The number of failures so far."""
        return self._failed + (self._lister.failures if self._lister else 0)

    @property
    def parts(self) -> int:
        """The number of parts of the source."""
        return len(self._parts)

    async def begin(self, access: Access, share: registry_queries.Share) -> None:
        """Find the parts of the source; those of one repository are listed together."""
        list_tags = partial(registry_queries.list_tags, manifests=True)
        lister = SourceLister(access, list_tags, share, self._report, guard=self._request.guard)
        await lister.add_parts(self._request)
        self._warn_about_settings(lister, access)
        together: dict[tuple[str, int], list[SourcePart]] = {}
        for part in lister.parts:
            together.setdefault((part.name, id(part.access)), []).append(part)
        self._parts, self._lister = list(together.values()), lister

    def _warn_about_settings(self, lister: SourceLister, access: Access) -> None:
        """Report each registry that a YAML file has settings for, which a plan does not have."""
        registries = {
            part.name.partition("/")[0] for part in lister.parts
            if part.access.keychain is not access.keychain or part.access.trust is not access.trust
        }  # fmt: skip
        for registry in sorted(registries):
            text = "The file's settings for this registry are not in the plan: log in where it runs, and give flags"
            self._report(LogMessage("warning", text, (("registry", registry),)))

    async def run(self, add: Callable[[list[PlannedImage]], Awaitable[None]]) -> None:
        """Call ``add`` with the images of each part, in the order of the source; several are planned at once."""
        from anyio import CapacityLimiter, Lock, Semaphore, create_task_group

        limiter, ahead, turn = CapacityLimiter(self._request.jobs), Semaphore(_AHEAD), Lock()
        waiting: dict[int, list[PlannedImage]] = {}

        async def work(queue: WorkQueue[tuple[int, list[SourcePart]]]) -> None:
            for number, parts in queue:
                await ahead.acquire()
                waiting[number] = await self._plan_part(parts, limiter)
                async with turn:
                    while self.done in waiting:
                        images = waiting.pop(self.done)
                        self.done += 1
                        await add(list(self._names.take(images)))
                        ahead.release()

        with first_error():
            async with create_task_group() as tasks:
                queue = WorkQueue(enumerate(self._parts))
                for _ in range(REPOSITORIES_AT_ONCE):
                    tasks.start_soon(work, queue)

    async def _plan_part(self, parts: list[SourcePart], limiter: CapacityLimiter) -> list[PlannedImage]:
        """Return the images of a repository, directory or layout that are wanted."""
        wanted, listed = await self._wanted(parts)
        if not self._resolve:
            return list(map(unresolved, wanted))
        planner = RepositoryPlanner(self._request, parts[0].access, limiter, self._earlier)
        found: dict[int, PlannedImage] = {}

        async def plan(numbered: tuple[int, SyncImage]) -> None:
            number, image = numbered
            try:
                found[number] = await planner.plan(image, listed.get(image.source))
            except PyskopeoError as error:
                if not self._request.keep_going:
                    with prefix_errors(f"planning {image.source}"):
                        raise
                self._failed += 1
                self._report(LogMessage("error", f'Error planning ref "{image.source}"', (("error", str(error)),)))

        await work_off(list(enumerate(wanted)), plan, at_once=self._request.jobs)
        return [found[number] for number in sorted(found)]

    async def _wanted(self, parts: list[SourcePart]) -> tuple[Sequence[SyncImage], Mapping[str, ListedManifest]]:
        """Return the images of a part that are wanted, and by their sources what the list of tags says of some."""
        images = [image for part in parts for image in await part.list_images()]
        groups = selected_groups(self._request, [(parts[0].access, images)], self._report)
        listed = {image.source: image.listed for image in images if image.listed is not None}
        return groups[0].images if groups else (), listed
