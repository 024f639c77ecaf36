"""The progress of many images on a terminal: a bar for each that is in transfer, and one for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ..model.events import BlobFinished, BlobProgress, BlobStarted, CopyPlanned, Event, Placement, ReferrersPlanned
from ..syncing.sync_request import ImageEvent, ImageFinished, ImagesListed, ImageStarted, ImageWaiting, LogMessage
from .bar_rows import BYTES, bar_row, stopped_line, total_rows
from .live_rows import LiveRows
from .log import emit_notice, log
from .logged_events import warnings_only
from .quantities import part_of, quantity, size
from .standard_streams import escape
from .sync_summary import shared_directory
from .throughput import Throughput

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from ..model.digest import Digest
    from ..syncing.sync_request import ImageResult, SyncEvent, SyncImage
    from .copy_result import CopyNames

_WITH_TOTAL = 50  # columns of a row from which on an image has its whole size, too
_SIZE = 10  # columns of most sizes
_SHORT_BAR = 7  # columns, with the gaps around it


class _Image:
    """An image in transfer: the bytes of its blobs, of which ``waiting`` wait for other images."""

    def __init__(self) -> None:
        self.expected: int | None = None  # bytes to be moved, None before there is a plan
        self.waiting = self.started = 0  # blobs
        self._placed = 0
        self._under_way: dict[Digest, BlobProgress] = {}

    def count(self, event: Event) -> None:
        """Count the bytes of an event."""
        if isinstance(event, CopyPlanned | ReferrersPlanned):
            self.expected = (self.expected or 0) + event.total
        elif isinstance(event, BlobStarted):
            self.started += 1
        elif isinstance(event, BlobProgress):
            self._under_way[event.digest] = event
        elif isinstance(event, BlobFinished):
            self.started -= 1
            self._under_way.pop(event.digest, None)
            if event.placement is Placement.WRITTEN:
                self._placed += event.size
            else:
                self.expected = max((self.expected or 0) - event.size, 0)

    @property
    def done(self) -> int:
        """Bytes that are there, of those that are to be moved."""
        return self._placed + self.under_way

    @property
    def under_way(self) -> int:
        """Bytes of blobs that are not finished."""
        return sum(event.done for event in list(self._under_way.values()))

    @property
    def moved(self) -> int:
        """Those of them that this run has moved."""
        return sum(event.done - min(event.kept, event.done) for event in list(self._under_way.values()))

    @property
    def is_waiting(self) -> bool:
        """Whether all blobs that it has begun wait for other images."""
        return 0 < self.started <= self.waiting


class _Total:
    """The bytes of all images that have a plan. A blob that several have counts once, since one gets it from another.

    ``expected`` bytes are to be moved, or were; ``placed`` of them are at the destination, and ``moved`` of these by
    this run.
    """

    def __init__(self) -> None:
        self.expected = self.placed = self.moved = 0
        self._known: set[Digest] = set()
        self._placed: set[Digest] = set()

    def count(self, event: Event) -> None:
        """Count the blobs of a plan, and one that is finished."""
        if isinstance(event, CopyPlanned | ReferrersPlanned):
            for blob in event.blobs:
                self._expect(blob.digest, blob.size)
        elif isinstance(event, BlobStarted):  # it may be one that the copy itself makes
            self._expect(event.digest, event.size)
        elif isinstance(event, BlobFinished):
            self._finish(event)

    def _expect(self, digest: Digest, size: int) -> None:
        if digest not in self._known:
            self._known.add(digest)
            self.expected += size

    def _finish(self, event: BlobFinished) -> None:
        is_first = event.digest not in self._placed
        self._placed.add(event.digest)
        if event.placement is Placement.WRITTEN:
            self.expected += 0 if is_first else event.size  # once more, for another repository or directory
            self.placed += event.size
            self.moved += event.size - event.kept
        elif is_first:
            self.expected -= event.size


class Bars:
    """Shows a bar for each image in transfer and one for all, with bytes, speed and the time left.

    ``names`` are what is copied where; without them that is not shown.

    Warnings and errors are printed above them. What skopeo logs for each image is left out: the bars show it, and the
    summary at the end.
    """

    def __init__(self, names: CopyNames, console: Console | None = None) -> None:
        from rich.console import Console

        self._console = console or Console(stderr=True, highlight=False)
        self.rows = LiveRows(self._console, self._render)
        self._names = names
        self._number = 0
        self._has_started = False
        self._directory = 0  # characters at the begin of all names, up to a slash
        self._images: dict[SyncImage, _Image] = {}
        self._finished = 0  # images
        self._total = _Total()
        self._throughput = Throughput()

    def __enter__(self) -> Self:
        if self._names.source:
            self.rows.print(self._names.header)
        self.rows.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Erase the bars; after an error, or if the run is interrupted, say how far it came."""
        self.rows.stop()
        if kind is not None and self._has_started and self._finished < self._number:
            self.rows.print(stopped_line(self._progress(list(self._images.values()))[0], self._count_text))

    def show(self, event: SyncEvent) -> None:
        """Show an event of the run."""
        if isinstance(event, ImagesListed):
            names = [image.destination for image in event.listing.images]
            self._number = len(names)
            self._directory = shared_directory(names)
        elif isinstance(event, ImageStarted):
            if not self._has_started:
                self._has_started, self._throughput = True, Throughput()
            self._images[event.image] = _Image()
        elif isinstance(event, ImageEvent):
            self._show_event(event)
        elif isinstance(event, ImageWaiting):
            if event.image in self._images:
                self._images[event.image].waiting = event.blobs
        elif isinstance(event, ImageFinished):
            self._finish(event.result)
        else:
            self._show_message(event)

    def _show_event(self, event: ImageEvent) -> None:
        warnings_only(event.event)
        if event.image is None or (image := self._images.get(event.image)) is None:
            return
        image.count(event.event)
        self._total.count(event.event)
        if isinstance(event.event, BlobProgress | BlobFinished):
            self._throughput.count(self._total.moved + sum(one.moved for one in self._images.values()))

    def _show_message(self, message: LogMessage) -> None:
        """Show a warning or an error. Information is shown without its fields: what has some is in the summary."""
        if message.level != "info":
            log(message.level, message.text, dict(message.fields))
        elif not message.fields and not self._has_started:
            emit_notice(message.text)

    def _finish(self, result: ImageResult) -> None:
        self._images.pop(result.image, None)
        self._finished += 1
        if result.status == "planned":
            emit_notice(f"{result.image.source} -> {result.image.destination}")

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        if not self._has_started:
            return Text("Listing images" if not self._number else "")
        images = list(self._images.items())
        rows = self._total_rows([image for _, image in images])
        labels = self._labels([name for name, _ in images])
        return Group(*rows, *(self._image_row(label, image) for label, (_, image) in zip(labels, images, strict=True)))

    def _total_rows(self, images: list[_Image]) -> list[Text]:
        progress, estimated = self._progress(images)
        return total_rows(
            self._console, self.rows.width, "Images", progress, self._throughput,
            count=self._count_text, estimated=estimated,
        )  # fmt: skip

    def _progress(self, images: list[_Image]) -> tuple[tuple[int, int], bool]:
        """Return the bytes that are done, and all, and whether these are an estimate.

        The bytes of images that have no plan yet are estimated by those that have.
        """
        planned = self._finished + sum(image.expected is not None for image in images)
        unplanned = max(self._number - planned, 0)
        total = self._total.expected + (unplanned * self._total.expected // planned if planned else 0)
        done = min(self._total.placed + sum(image.under_way for image in images), total)
        return (done, total), unplanned > 0

    @property
    def _count_text(self) -> str:
        return f"{self._finished} of {quantity(self._number, 'image')}"

    def _labels(self, images: list[SyncImage]) -> list[str]:
        """Return the names of images in equally many columns, without what all begin with where that is needed."""
        width = self.rows.half
        room = max(width - (_SIZE if width < _WITH_TOTAL else BYTES) - _SHORT_BAR, 1)
        names = [image.destination for image in images]
        if max(map(len, names), default=0) > room:
            names = [name[self._directory :] for name in names]
        names = [_shortened(escape(name), room) for name in names]
        longest = max(map(len, names), default=0)
        return [name.ljust(longest) for name in names]

    def _image_row(self, label: str, image: _Image) -> Text:
        width, done = self.rows.half, image.done
        if image.is_waiting or image.expected is None:
            text = "waiting" if image.is_waiting else ""
        else:
            text = size(done) if width < _WITH_TOTAL else part_of(min(done, image.expected), image.expected)
        column = text.rjust(_SIZE if width < _WITH_TOTAL else BYTES)
        return bar_row(self._console, width, label, done / image.expected if image.expected else None, [column])


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"...{name[3 - width:]}"
