"""Run a sync: list the images, skip those present at the destination, copy the others concurrently."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.signing import PreparedOnce
from ..errors import Offline
from ..fast_dataclass import replace
from ..http.request_quota import RequestQuotas
from ..storage.shared_files import RunFiles
from . import registry_queries
from .deletion import delete_surplus
from .listing import list_images
from .pauses import ListTags, Pauses
from .sync_request import (
    ImagesListed,
    LogMessage,
    ReportBuilder,
    SyncFailed,
    SyncReport,
    SyncRequest,
    ignore,
)
from .sync_run import SyncRun

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from .record import Record
    from .shared_blobs import SharedBlobs
    from .sync_request import Listing, SyncEvent, SyncSink

    ListSource: TypeAlias = Callable[[Access, registry_queries.Share, SyncSink], Awaitable[Listing]]

_FAILED = "Sync failed due to previous reported error(s) for one or more images"


async def sync(
    request: SyncRequest,
    *,
    source_access: Access | None = None,
    destination_access: Access | None = None,
    report: SyncSink = ignore,
) -> SyncReport:
    """Copy all images of a source that are not at the destination yet; return the result of each.

    ``report`` is called with every event, in the event loop. An access of None is the user's own configuration
    (`Access.from_environ`). Images copied before a failure stay, and the next run finds them present.

    Raises `SyncFailed` when a source could not be listed or an image not copied: immediately, or at the end with
    ``request.keep_going``. Raises `InvalidInput` for an impossible request.
    """
    async def list_source(reading: Access, share: registry_queries.Share, emit: SyncSink) -> Listing:
        list_tags: ListTags = registry_queries.list_tags
        if request.on_rate_limit == "wait" and reading.network.retry.quotas is not None:
            list_tags = Pauses(reading.network.retry.quotas, emit).patient(list_tags)
        return await list_images(request, reading, list_tags, share, emit)

    return await copy_listed(
        request, list_source, source_access=source_access, destination_access=destination_access, report=report
    )


async def copy_listed(
    request: SyncRequest,
    list_source: ListSource,
    *,
    source_access: Access | None,
    destination_access: Access | None,
    report: SyncSink,
    shared: SharedBlobs | None = None,
    record: Record | None = None,
) -> SyncReport:
    """Copy the images that ``list_source`` returns, as `sync` does; ``shared`` and ``record`` are those of `SyncRun`.

    Raises what `sync` raises.
    """
    request.check()
    request = replace(request, signers=tuple(map(PreparedOnce, request.signers)))
    builder = ReportBuilder()

    def emit(event: SyncEvent) -> None:
        builder(event)
        report(event)

    try:
        await _list_and_copy(request, list_source, (source_access, destination_access), emit, (shared, record))
    except SyncFailed as error:
        error.report = builder.report
        raise
    finished = builder.report
    offline = source_access is not None and source_access.network.offline
    finish_run(request, finished, emit, exit_code=Offline.exit_code if offline else 1)
    return finished


async def _list_and_copy(
    request: SyncRequest,
    list_source: ListSource,
    accesses: tuple[Access | None, Access | None],
    emit: SyncSink,
    known: tuple[SharedBlobs | None, Record | None],
) -> None:
    """List and copy the images; those of one registry share connections. ``accesses`` are those of both sides."""
    async with registry_queries.shared_connections(registry_queries.registry_events(emit)) as share:
        reading, writing = (access or Access.from_environ() for access in accesses)
        if request.source_transport in ("docker", "registry", "yaml") and request.destination_transport == "docker":
            reading, writing = registry_queries.share_pings(reading, writing)
        files = RunFiles.of_many(writing, reading)
        quotas = RequestQuotas()
        reading, writing = (
            replace(
                access,
                storage=replace(access.storage, shared_files=files),
                network=replace(access.network, retry=replace(access.network.retry, quotas=quotas)),
            )
            for access in (reading, writing)
        )
        async with aclosing(files):
            listing = await list_source(reading, share, emit)
            emit(ImagesListed(listing))
            if request.dry_run:
                emit(LogMessage("warning", "Running in dry-run mode"))
                await SyncRun(request, listing, writing, files, emit).report_plan()
            else:
                for signer in request.signers:  # what is wrong with one is wrong for every image
                    await signer.prepare()
                writing = await share(writing, "pull,push")
                shared, record = known
                await SyncRun(request, listing, writing, files, emit, shared=shared, record=record).copy_all()
        if listing.contents is not None:
            await delete_surplus(request, listing, listing.contents, await share(writing, "*,pull"), emit)


def finish_run(request: SyncRequest, report: SyncReport, emit: SyncSink, *, exit_code: int) -> None:
    """Log the number of images; raise `SyncFailed`, with ``exit_code``, if anything has failed."""
    done = "Would have synced" if request.dry_run else "Synced"
    number = report.count("planned") + report.count("copied") + report.count("present")
    emit(LogMessage("info", f"{done} {number} images from {report.sources} sources"))
    if report.failed:
        raise SyncFailed(_FAILED, report=report, exit_code=exit_code)
