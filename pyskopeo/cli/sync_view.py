"""The output of ``sync`` on standard error: skopeo's lines, bars on a terminal, and a summary at the end."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from ..model.events import BlobFinished, BlobProgress, BlobStarted, CopyPlanned, Event, Placement, ReferrersPlanned
from ..syncing.sync_request import ImageEvent, ImageFinished, ImagesListed, ImageStarted, ImageWaiting, LogMessage
from .live_rows import LiveRows
from .log import emit_notice, log
from .progress import size, span, warnings_only
from .skopeo_steps import Steps
from .standard_streams import escape, notice
from .terminal import has_cursor_control, has_rich

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import TaskID
    from rich.table import Table

    from ..model.digest import Digest
    from ..syncing.sync_request import ImageResult, SyncEvent, SyncImage, SyncReport, SyncSink

_INTERVAL = 10.0  # seconds
_MAX_ROWS = 200
_UNBOUNDED = 10_000  # columns; more than a row of the table has
_COLUMNS = 49  # of a row
_REST = 19  # columns besides the name of an image: its bytes, and at least a short bar
_GETTING = "Getting image source signatures"
_PRESENT = "Skipping: image already present at destination"


@contextmanager
def viewing(*others: SyncSink) -> Iterator[SyncSink]:
    """Show the events of a run, and forward them to ``others``."""
    view = Bars() if has_cursor_control() else Lines()

    def show(event: SyncEvent) -> None:
        for other in others:
            other(event)
        view.show(event)

    with view:
        yield show


class Lines:
    """Prints a line for each image and each error, and one every ten seconds during a transfer."""

    def __init__(self) -> None:
        self._bytes: defaultdict[SyncImage, dict[Digest, int]] = defaultdict(dict)
        self._finished = self._moved = self._number = 0
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to finish."""

    def show(self, event: SyncEvent) -> None:
        """Show an event of the run."""
        if isinstance(event, LogMessage):
            log(event.level, event.text, dict(event.fields))
        elif isinstance(event, ImageStarted):
            names = {"from": event.image.source, "to": event.image.destination}
            log("info", f"Copying image ref {event.position}/{event.total}", names)
        elif isinstance(event, ImagesListed):
            self._number = len(event.listing.images)
        elif isinstance(event, ImageFinished):
            self._finished += 1
            self._moved += event.result.moved
            self._bytes.pop(event.result.image, None)
            self.show_result(event.result)
        elif isinstance(event, ImageWaiting):
            self.show_waiting(event)
        else:
            warnings_only(event.event)
            if event.image is not None:
                self.show_blob(event.image, event.event)

    @property
    def transferred(self) -> int:
        """The number of bytes of all images, those in transfer included."""
        return self._moved + sum(sum(blobs.values()) for blobs in self._bytes.values())

    def show_blob(self, image: SyncImage, event: Event) -> None:
        """Show an event of the copy of one image."""
        if isinstance(event, BlobProgress):
            self._bytes[image][event.digest] = max(0, event.done - event.kept)
            if time.monotonic() - self._shown >= _INTERVAL:
                self._shown = time.monotonic()
                log("info", f"{self._finished} of {self._number} images done, {size(self.transferred)} moved")

    def show_waiting(self, event: ImageWaiting) -> None:
        """Show that an image waits for others, which lines do not: those of the others go on."""

    def show_result(self, result: ImageResult) -> None:
        """Show that an image is finished, which `show_summary` does for lines."""


class ImageSteps:
    """Prints skopeo's lines about each image to standard output: together, when the image is finished.

    ``signatures`` is whether the line about signatures is among them.
    """

    def __init__(self, *, signatures: bool = True) -> None:
        self._signatures = signatures
        self._lines: defaultdict[SyncImage, list[str]] = defaultdict(list)
        self._steps: dict[SyncImage, Steps] = {}

    def __call__(self, event: SyncEvent) -> None:
        """Collect the lines of an event, and print those of an image that is finished."""
        if isinstance(event, ImageEvent) and event.image is not None:
            if event.image not in self._steps:
                self._steps[event.image] = Steps(
                    write=self._lines[event.image].append, signatures=self._signatures
                )
            self._steps[event.image](event.event)
        elif isinstance(event, ImageFinished):
            image = event.result.image
            self._steps.pop(image, None)
            lines = self._lines.pop(image, [])
            if event.result.status == "present":
                lines = [_GETTING, _PRESENT] if self._signatures else [_PRESENT]
            for line in lines:
                notice(line)


class Bars(Lines):
    """Shows a bar for each image in transfer and one for all; warnings and errors are printed above them.

    What skopeo logs for each image is left out: the bars show it, and the summary at the end.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
        from rich.table import Column
        from rich.text import Text

        rows = self

        class Name(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(_shortened(task.description, rows.rows.half - _REST))

        self._console = console or Console(stderr=True, highlight=False)
        # Never started: what it renders is shown by `rows`.
        self._progress = Progress(
            Name(Column(no_wrap=True)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]}", markup=False, justify="right", table_column=Column(no_wrap=True)),
            console=self._console, expand=True, auto_refresh=False,
        )  # fmt: skip
        self.rows = LiveRows(self._console, self._render, _COLUMNS)
        self._tasks: dict[SyncImage, TaskID] = {}
        self._expected: dict[SyncImage, int] = {}
        self._started: defaultdict[SyncImage, int] = defaultdict(int)  # the number of blobs that are not finished
        self._waiting: dict[SyncImage, int] = {}  # how many of them wait for other images
        self._total: TaskID | None = None
        self._has_started = False

    def _render(self) -> RenderableType:
        from rich.constrain import Constrain

        return Constrain(self._progress.get_renderable(), self.rows.half)

    def __exit__(self, *_: object) -> None:
        self.rows.stop()

    def show(self, event: SyncEvent) -> None:
        if isinstance(event, ImageStarted):
            # Not earlier: until then nothing is in transfer.
            self.rows.start()
            self._has_started = True
            name = escape(event.image.destination)
            self._tasks[event.image] = self._progress.add_task(name, total=None, done="")
        elif not (isinstance(event, LogMessage) and event.level == "info" and self._has_started):
            super().show(event)
        if isinstance(event, ImagesListed) and event.listing.images:
            self._total = self._progress.add_task("Images", total=self._number, done=f"0/{self._number}")

    def show_blob(self, image: SyncImage, event: Event) -> None:
        counted = self._bytes[image]
        if isinstance(event, CopyPlanned):
            self._expected[image] = event.total
        elif isinstance(event, ReferrersPlanned):
            self._expected[image] = self._expected.get(image, 0) + event.total
        elif isinstance(event, BlobStarted):
            self._started[image] += 1
        elif isinstance(event, BlobProgress):
            counted[event.digest] = event.done
        elif isinstance(event, BlobFinished):
            self._started[image] -= 1
            counted[event.digest] = event.size
            if event.placement is not Placement.WRITTEN:
                counted[event.digest] = 0
                self._expected[image] = max(self._expected.get(image, 0) - event.size, 0)
        else:
            return
        self._update_image(image)
        self._update_total()

    def show_waiting(self, event: ImageWaiting) -> None:
        if event.image in self._tasks:
            self._waiting[event.image] = event.blobs
            self._update_image(event.image)

    def _update_image(self, image: SyncImage) -> None:
        """Show the bytes of an image, or that all blobs it has begun wait for other images."""
        done, waiting = sum(self._bytes[image].values()), self._waiting.get(image, 0)
        text = "waiting" if waiting and waiting >= self._started[image] else size(done)
        self._progress.update(self._tasks[image], total=self._expected.get(image), completed=done, done=text)

    def show_result(self, result: ImageResult) -> None:
        if (task := self._tasks.pop(result.image, None)) is not None:  # in a dry run no image has a bar
            self._progress.remove_task(task)
        for counts in (self._expected, self._started, self._waiting):
            counts.pop(result.image, None)
        self._update_total()

    def _update_total(self) -> None:
        if self._total is not None:
            done = f"{self._finished}/{self._number}, {size(self.transferred)}"
            self._progress.update(self._total, completed=self._finished, done=done)


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"...{name[3 - width:]}"


def show_summary(report: SyncReport) -> None:
    """Print a table of the results, without the images that were present already, and the totals."""
    rows = [result for result in report.results if result.status != "present"]
    shown, more = rows[:_MAX_ROWS], len(rows) - _MAX_ROWS
    cells = [_cells(result) for result in shown]
    if not (sys.stderr.isatty() and has_rich() and _draw(cells)):
        for status, digest, moved, seconds, name in cells:
            emit_notice(f"{status:<8} {digest:<20} {moved:>10} {seconds:>7}  {name}")
    if more > 0:
        emit_notice(f"and {more} more")
    counted = ", ".join(
        f"{report.count(status)} {status}"
        for status in ("copied", "present", "failed", "skipped")
        if status in ("copied", "present") or report.count(status)
    )  # fmt: skip
    number = len(report.results)
    lists = f", {report.listing_failures} of the sources not listed" if report.listing_failures else ""
    emit_notice(
        f"{number} image{'s' * (number != 1)}: {counted}{lists}; "
        f"{size(report.moved)} moved in {span(report.seconds)}"
    )


def _cells(result: ImageResult) -> tuple[str, str, str, str, str]:
    digest = "" if result.digest is None else f"{result.digest.algorithm}:{result.digest.hex[:12]}"
    return result.status, digest, size(result.moved), f"{result.seconds:.1f}s", result.image.destination


def _draw(rows: list[tuple[str, str, str, str, str]]) -> bool:
    """Print the rows as a table, without digests if that is what the names need to stay whole.

    Returns False, without printing, if the terminal is too narrow for the names nevertheless.
    """
    from rich.console import Console

    if not rows:
        return True
    console = Console(stderr=True, highlight=False)
    table = next((one for one in (_table(rows), _table(rows, digests=False)) if _fits(one, console)), None)
    if table is None:
        return False
    with suppress(OSError):  # the terminal is gone
        console.print(table)
    return True


def _fits(table: Table, console: Console) -> bool:
    from rich.measure import Measurement

    # Without a limit, the width is what the longest cells need.
    wide = console.options.update(max_width=_UNBOUNDED)
    return Measurement.get(console, wide, table).maximum <= console.width


def _table(rows: list[tuple[str, str, str, str, str]], *, digests: bool = True) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("Status", *(["Digest"] if digests else []), "Moved", "Time", "Image"):
        table.add_column(title, justify="right" if title in ("Moved", "Time") else "left", no_wrap=True)
    colours = {"copied": "green", "failed": "red", "skipped": "yellow"}
    for status, digest, *rest in rows:
        cells = [digest, *rest] if digests else rest
        table.add_row(Text(status, style=colours.get(status, "")), *(Text(escape(cell)) for cell in cells))
    return table
