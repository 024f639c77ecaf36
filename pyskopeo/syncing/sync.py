"""Run a sync: list the images, skip those present at the destination, copy the others concurrently."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.run import CopyOptions, check_policy, copy
from ..errors import PyskopeoError, first_error
from ..model.events import CopyFinished
from ..transports import parse_image_name
from . import registry_queries
from .listing import list_images
from .presence import PresenceCheck
from .record import Entry, Record
from .shared_blobs import SharedBlobs
from .sync_request import (
    ImageEvent,
    ImageFinished,
    ImageResult,
    ImagesListed,
    ImageStarted,
    LogMessage,
    ReportBuilder,
    SyncFailed,
    SyncReport,
    SyncRequest,
    ignore,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model.digest import Digest
    from ..model.events import Event
    from .sync_request import ImageGroup, Listing, SyncEvent, SyncImage, SyncSink

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
    request.check()
    builder = ReportBuilder()

    def emit(event: SyncEvent) -> None:
        builder(event)
        report(event)

    try:
        await _list_and_copy(request, source_access, destination_access, emit)
    except SyncFailed as error:
        error.report = builder.report
        raise
    finished = builder.report
    _finish(request, finished, emit)
    return finished


async def _list_and_copy(
    request: SyncRequest, source_access: Access | None, destination_access: Access | None, emit: SyncSink
) -> None:
    """List and copy the images; those of one registry share connections."""

    def report_registry_event(event: Event) -> None:
        emit(ImageEvent(None, event))

    async with AsyncExitStack() as stack:
        async def share(access: Access, actions: str = "pull") -> Access:
            pool = await stack.enter_async_context(registry_queries.shared_connections(actions))
            network = replace(access.network, connections=pool)
            return replace(access, report=report_registry_event, network=network)

        reading = source_access or Access.from_environ()
        listing = await list_images(request, reading, registry_queries.list_tags, share, emit)
        emit(ImagesListed(listing))
        if request.dry_run:
            _report_dry_run(listing, emit)
        else:
            writing = await share(destination_access or Access.from_environ(), "pull,push")
            await _SyncRun(request, listing, writing, emit).copy_all()


def _report_dry_run(listing: Listing, emit: SyncSink) -> None:
    emit(LogMessage("warning", "Running in dry-run mode"))
    for group in listing.groups:
        for position, image in enumerate(group.images, 1):
            emit(LogMessage("info", f"Would have copied image ref {position}/{len(group.images)}", _log_fields(image)))
            emit(ImageFinished(ImageResult(image, "planned", image.pinned)))


def _finish(request: SyncRequest, report: SyncReport, emit: SyncSink) -> None:
    """Log the number of images; raise `SyncFailed` if anything has failed."""
    done = "Would have synced" if request.dry_run else "Synced"
    number = report.count("planned") + report.count("copied") + report.count("present")
    emit(LogMessage("info", f"{done} {number} images from {report.sources} sources"))
    if report.failed:
        raise SyncFailed(_FAILED, report=report)


def _log_fields(image: SyncImage) -> tuple[tuple[str, str], ...]:
    return ("from", image.source), ("to", image.destination)


class _SyncRun:
    """Copies the images of a listing, at most ``request.jobs`` concurrently.

    ``writing`` is the access of the destination, ``emit`` is called with every event.
    """

    def __init__(self, request: SyncRequest, listing: Listing, writing: Access, emit: SyncSink) -> None:
        self._request, self._listing, self._writing, self._emit = request, listing, writing, emit
        self._record = Record(request.record, lambda text: emit(LogMessage("warning", text)))
        self._presence = PresenceCheck(request, self._record, writing)
        self._shared = SharedBlobs()

    async def copy_all(self) -> None:
        """Copy every image that is not present; raise `SyncFailed` at the first failure, without ``keep_going``."""
        from anyio import CancelScope, create_task_group

        images = self._images()
        try:
            with first_error():
                async with create_task_group() as tasks:
                    for _ in range(min(self._request.jobs, len(self._listing.images))):
                        tasks.start_soon(self._copy_images, images)
        finally:
            with CancelScope(shield=True):
                await self._record.save()

    def _images(self) -> Iterator[tuple[ImageGroup, int, SyncImage]]:
        """Yield every image with its group and its position there, from 1."""
        for group in self._listing.groups:
            for position, image in enumerate(group.images, 1):
                yield group, position, image

    async def _copy_images(self, images: Iterator[tuple[ImageGroup, int, SyncImage]]) -> None:
        """Copy one image after another from an iterator that several tasks share."""
        for group, position, image in images:
            self._emit(ImageStarted(image, position, len(group.images)))
            started = time.monotonic()
            try:
                with first_error():
                    result = await self._copy_image(group, image)
            except PyskopeoError as error:
                seconds = round(time.monotonic() - started, 3)
                self._emit(ImageFinished(ImageResult(image, "failed", None, 0, seconds, str(error))))
                what = f'Error copying ref "{image.source}"'
                if not self._request.keep_going:
                    failure = f"{what}: {error}"
                    raise SyncFailed(failure, report=SyncReport((), 0), exit_code=error.exit_code) from error
                self._emit(LogMessage("error", what, (("error", str(error)),)))
                continue
            self._emit(ImageFinished(replace(result, seconds=round(time.monotonic() - started, 3))))

    async def _copy_image(self, group: ImageGroup, image: SyncImage) -> ImageResult:
        source, destination = parse_image_name(image.source), parse_image_name(image.destination)
        present = await self._presence.present_digest(image, source, destination, group.access)
        if present is not None:
            check_policy(source, group.access)
            return ImageResult(image, "present", present)

        def report(event: Event) -> None:
            if not isinstance(event, CopyFinished):  # ImageFinished says it
                self._emit(ImageEvent(image, event))

        result = await copy(
            source,
            destination,
            CopyOptions(self._request.selection, self._request.form, wrap=self._shared.wrap),
            source_access=replace(group.access, report=self._writing.report),
            destination_access=self._writing,
            report=report,
        )
        await self._record_copy(image, result.source_digest, result.digest)
        return ImageResult(image, "copied", result.digest, result.moved)

    async def _record_copy(self, image: SyncImage, source: Digest, digest: Digest) -> None:
        entry = Entry(image.source, source, digest, self._presence.options)
        await self._record.put(self._presence.key(image), entry)
