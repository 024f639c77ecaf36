"""Copy many images at once, and report that with the events of a sync."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..engine.run import copy
from ..errors import PyskopeoError
from ..fast_dataclass import dataclass, replace
from ..model.events import CopyFinished, Warned
from ..streams.concurrency import work_off
from ..syncing.sync_request import (
    ImageEvent,
    ImageFinished,
    ImageGroup,
    ImageResult,
    ImagesListed,
    ImageStarted,
    ImageWaiting,
    Listing,
    SyncImage,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..access import Access
    from ..engine.run import CopyOptions, CopyResult
    from ..interfaces import ImageDestination, ImageReference
    from ..model.events import Event, Report
    from ..syncing.shared_blobs import SharedBlobs
    from ..syncing.sync_request import Status, SyncSink


@dataclass(frozen=True, slots=True)
class ImageCopy:
    """One image to copy: from where to where, and how. ``wrap`` goes around the destination, below what is shared."""

    source: ImageReference
    destination: ImageReference
    options: CopyOptions
    source_access: Access
    wrap: Callable[[ImageDestination], ImageDestination]

    @property
    def described(self) -> SyncImage:
        """The image in events."""
        return SyncImage(self.source.image_name, self.destination.image_name)


class Copies:
    """Copies images to places with one access, ``writing``, at most ``jobs`` at once; ``shared`` are their blobs."""

    def __init__(self, writing: Access, shared: SharedBlobs, report: SyncSink, jobs: int) -> None:
        self._writing, self._shared, self._report, self._jobs = writing, shared, report, jobs
        self._number = 0
        self._seconds: dict[int, float] = {}  # that `move` took for each image

    def announce(self, copies: Sequence[ImageCopy]) -> None:
        """Report which images there are."""
        listed = tuple(one.described for one in copies)
        self._report(ImagesListed(Listing((ImageGroup(listed, self._writing),))))

    async def run(self, copies: Sequence[ImageCopy]) -> list[CopyResult]:
        """Copy all, and report each as finished; the first error cancels the rest and is raised.

        Returns the results in the order of ``copies``.
        """
        return await self._run_all(copies, self._move_and_finish)

    async def move(self, copies: Sequence[ImageCopy]) -> list[CopyResult]:
        """As `run`, for images that `finish` names later: none is reported as finished."""
        self._seconds.clear()
        return await self._run_all(copies, self._timed_move)

    async def finish(self, copies: Sequence[ImageCopy], moved: Sequence[CopyResult]) -> list[CopyResult]:
        """As `run`, for images whose blobs `move` has copied, with the results ``moved``."""

        async def finish_one(position: int, one: ImageCopy) -> CopyResult:
            def warn(event: Event) -> None:
                if isinstance(event, Warned):
                    self._report(ImageEvent(one.described, event))

            started = time.monotonic()
            result = await self._copy(one, warn)
            status: Status = "copied" if moved[position].moved else "present"
            seconds = round(self._seconds.get(position, 0.0) + time.monotonic() - started, 3)
            finished = ImageResult(one.described, status, result.digest, moved[position].moved, seconds)
            self._report(ImageFinished(finished))
            return result

        return await self._run_all(copies, finish_one)

    async def _run_all(
        self, copies: Sequence[ImageCopy], work: Callable[[int, ImageCopy], Awaitable[CopyResult]]
    ) -> list[CopyResult]:
        results: dict[int, CopyResult] = {}
        self._number = len(copies)

        async def run_one(item: tuple[int, ImageCopy]) -> None:
            position, one = item
            results[position] = await work(position, one)

        await work_off(list(enumerate(copies)), run_one, at_once=self._jobs)
        return [results[position] for position in range(len(copies))]

    async def _move_and_finish(self, position: int, one: ImageCopy) -> CopyResult:
        started = time.monotonic()
        result = await self._move(position, one)
        status: Status = "copied" if result.moved else "present"
        seconds = round(time.monotonic() - started, 3)
        self._report(ImageFinished(ImageResult(one.described, status, result.digest, result.moved, seconds)))
        return result

    async def _timed_move(self, position: int, one: ImageCopy) -> CopyResult:
        started = time.monotonic()
        result = await self._move(position, one)
        self._seconds[position] = time.monotonic() - started
        return result

    async def _move(self, position: int, one: ImageCopy) -> CopyResult:
        described = one.described
        self._report(ImageStarted(described, position + 1, self._number))

        def forward(event: Event) -> None:
            if not isinstance(event, CopyFinished):  # ImageFinished says it
                self._report(ImageEvent(described, event))

        return await self._copy(one, forward)

    async def _copy(self, one: ImageCopy, forward: Report) -> CopyResult:
        described = one.described

        def wrap(opened: ImageDestination) -> ImageDestination:
            return self._shared.wrap(one.wrap(opened), lambda blobs: self._report(ImageWaiting(described, blobs)))

        try:
            return await copy(
                one.source, one.destination, replace(one.options, wrap=wrap),
                source_access=replace(one.source_access, report=self._writing.report),
                destination_access=self._writing, report=forward,
            )  # fmt: skip
        except PyskopeoError as error:
            self._report(ImageFinished(ImageResult(described, "failed", error=str(error))))
            raise
