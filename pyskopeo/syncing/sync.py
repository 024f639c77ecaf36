"""The run: list what there is, leave what is there already, copy the rest, several images at once."""

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
from . import remote
from .listing import list_images
from .presence import Presence
from .record import Entry, Record
from .request import (
    ImageFinished,
    ImageMoving,
    ImageResult,
    ImageStarted,
    Listed,
    Noted,
    SyncFailed,
    SyncReport,
    SyncRequest,
    Tally,
    ignore,
)
from .shared_blobs import SharedBlobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model.digest import Digest
    from ..model.events import Event
    from .request import Group, Listing, SyncEvent, SyncImage, SyncSink

_FAILED = "Sync failed due to previous reported error(s) for one or more images"


async def sync(
    request: SyncRequest,
    *,
    source_access: Access | None = None,
    destination_access: Access | None = None,
    report: SyncSink = ignore,
) -> SyncReport:
    """Copy all images of a source that are not at the destination yet; answers with what became of each.

    ``report`` gets every event, in the event loop. What was copied before a failure stays, and is
    found there by the next run. Raises `SyncFailed` when something could not be listed or copied,
    at once unless ``request.keep_going``, and `InvalidInput` for what cannot be done at all.
    """
    request.check()
    tally = Tally()

    def tell(event: SyncEvent) -> None:
        tally(event)
        report(event)

    try:
        await _list_and_copy(request, source_access, destination_access, tell)
    except SyncFailed as error:
        error.report = tally.report
        raise
    finished = tally.report
    _conclude(request, finished, tell)
    return finished


async def _list_and_copy(
    request: SyncRequest, source_access: Access | None, destination_access: Access | None, tell: SyncSink
) -> None:
    """All that is asked of anybody, over connections that are shared meanwhile."""

    def of_registries(event: Event) -> None:
        tell(ImageMoving(None, event))

    async with AsyncExitStack() as stack:
        async def share(access: Access, actions: str = "pull") -> Access:
            pool = await stack.enter_async_context(remote.connections(actions))
            return replace(access, report=of_registries, network=replace(access.network, connections=pool))

        listing = await list_images(request, source_access or Access.from_environ(), remote.tags, share, tell)
        tell(Listed(listing))
        if request.dry_run:
            _dry_run(listing, tell)
        else:
            writing = await share(destination_access or Access.from_environ(), "pull,push")
            await _Run(request, listing, writing, tell).all()


def _dry_run(listing: Listing, tell: SyncSink) -> None:
    tell(Noted("warning", "Running in dry-run mode"))
    for group in listing.groups:
        for position, image in enumerate(group.images, 1):
            tell(Noted("info", f"Would have copied image ref {position}/{len(group.images)}", _names(image)))
            tell(ImageFinished(ImageResult(image, "planned", image.pinned)))


def _conclude(request: SyncRequest, report: SyncReport, tell: SyncSink) -> None:
    done = "Would have synced" if request.dry_run else "Synced"
    number = report.count("planned") + report.count("copied") + report.count("present")
    tell(Noted("info", f"{done} {number} images from {report.sources} sources"))
    if report.failed:
        raise SyncFailed(_FAILED, report=report)


def _names(image: SyncImage) -> tuple[tuple[str, str], ...]:
    return ("from", image.source), ("to", image.destination)


class _Run:
    """The images of a listing, ``request.jobs`` of them at once."""

    def __init__(self, request: SyncRequest, listing: Listing, writing: Access, tell: SyncSink) -> None:
        self._request, self._listing, self._writing, self._tell = request, listing, writing, tell
        self._record = Record(request.record, lambda text: tell(Noted("warning", text)))
        self._presence = Presence(request, self._record, writing)
        self._shared = SharedBlobs()

    async def all(self) -> None:
        """Raises `SyncFailed` at the first failure, unless the rest is to go on."""
        from anyio import CancelScope, create_task_group

        waiting = self._images()
        try:
            with first_error():
                async with create_task_group() as tasks:
                    for _ in range(min(self._request.jobs, len(self._listing.images))):
                        tasks.start_soon(self._take, waiting)
        finally:
            with CancelScope(shield=True):
                await self._record.save()

    def _images(self) -> Iterator[tuple[Group, int, SyncImage]]:
        for group in self._listing.groups:
            for position, image in enumerate(group.images, 1):
                yield group, position, image

    async def _take(self, waiting: Iterator[tuple[Group, int, SyncImage]]) -> None:
        for group, position, image in waiting:
            self._tell(ImageStarted(image, position, len(group.images)))
            started = time.monotonic()
            try:
                with first_error():
                    result = await self._one(group, image)
            except PyskopeoError as error:
                seconds = round(time.monotonic() - started, 3)
                self._tell(ImageFinished(ImageResult(image, "failed", None, 0, seconds, str(error))))
                what = f'Error copying ref "{image.source}"'
                if not self._request.keep_going:
                    raise SyncFailed(f"{what}: {error}", report=SyncReport((), 0)) from error
                self._tell(Noted("error", what, (("error", str(error)),)))
                continue
            self._tell(ImageFinished(replace(result, seconds=round(time.monotonic() - started, 3))))

    async def _one(self, group: Group, image: SyncImage) -> ImageResult:
        source, destination = parse_image_name(image.source), parse_image_name(image.destination)
        there = await self._presence.of(image, source, destination, group.access)
        if there is not None:
            check_policy(source, group.access)
            return ImageResult(image, "present", there)

        def follow(event: Event) -> None:
            if not isinstance(event, CopyFinished):  # the image's result says it
                self._tell(ImageMoving(image, event))

        result = await copy(
            source,
            destination,
            CopyOptions(self._request.selection, self._request.form, wrap=self._shared.wrap),
            source_access=replace(group.access, report=self._writing.report),
            destination_access=self._writing,
            report=follow,
        )
        await self._remember(image, result.source_digest, result.digest)
        return ImageResult(image, "copied", result.digest, result.moved)

    async def _remember(self, image: SyncImage, source: Digest, digest: Digest) -> None:
        entry = Entry(image.source, source, digest, self._presence.how)
        await self._record.put(self._presence.key(image), entry)
