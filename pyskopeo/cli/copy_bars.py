"""The progress of one copy on a terminal: what is copied where, a bar for all of it and one for each blob."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from ..fast_dataclass import dataclass
from ..model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    Converted,
    CopyFinished,
    CopyPlanned,
    Event,
    Explained,
    Placement,
    ReferrersPlanned,
    Requested,
    Retrying,
    Warned,
)
from .bar_rows import BYTES, LEFT, ONE_ROW, bar_row, fits_beside_bar, percentage, speed_column, stopped_line, total_rows
from .copy_result import CopyNames, Tally, converted_line
from .live_rows import LiveRows
from .quantities import part_of, quantity
from .throughput import Throughput

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from ..model.digest import Digest
    from ..model.events import Report

_WITH_SPEED = 50  # columns of a row from which on a blob has its speed, too


@dataclass(slots=True)
class _Blob:
    """A blob in transfer; ``kept`` of its ``done`` bytes are from an interrupted run."""

    size: int
    throughput: Throughput
    done: int = 0
    kept: int = 0


class Bars:
    """Shows a bar for each blob in transfer and one for all, with bytes, speed and remaining time.

    ``names`` are those of the image and of the destination, None where they are not known. ``warn`` gets the events
    that are shown as lines.
    """

    def __init__(self, warn: Report, names: CopyNames | None = None, console: Console | None = None) -> None:
        from rich.console import Console

        self._console = console or Console(stderr=True, highlight=False)
        self.rows = LiveRows(self._console, self._render)
        self._warn, self._names = warn, names
        self._blobs: dict[Digest, _Blob] = {}
        self._expected: set[Digest] = set()
        self._planned = self._skipped = self._done = self._moved = 0  # bytes; the last two of finished blobs
        self._throughput = Throughput()
        self._tally = Tally()

    def __enter__(self) -> Self:
        """Print what is copied where; the bars start with the plan, which has the number of bytes."""
        if self._names is not None:
            self.rows.print(self._names.header)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Erase the bars; after an error, or if the copy is interrupted, say how far it came."""
        self.rows.stop()
        if kind is not None and self._expected:
            self.rows.print(stopped_line(self._progress(list(self._blobs.values())), self._count_text))

    def __call__(self, event: Event) -> None:
        if isinstance(event, CopyPlanned | ReferrersPlanned):
            self._planned += event.total
            self._expected |= {blob.digest for blob in event.blobs}
            self.rows.start()
        elif isinstance(event, BlobStarted):
            if event.digest not in self._expected:  # the copy itself makes it, such as a converted configuration
                self._expected.add(event.digest)
                self._planned += event.size
            self._blobs[event.digest] = _Blob(event.size, Throughput())
        elif isinstance(event, BlobProgress):
            self._count(event)
        elif isinstance(event, BlobFinished):
            self._finish(event)
        elif isinstance(event, CopyFinished):
            self.rows.stop()
            for line in self._tally.lines(event, self._names):
                self.rows.print(line)
        elif isinstance(event, Converted):
            self.rows.print(converted_line(event))
        elif isinstance(event, Warned | Retrying | Requested | Explained):
            self._warn(event)

    def _count(self, event: BlobProgress) -> None:
        blob = self._blobs[event.digest]
        blob.done, blob.kept = event.done, min(event.done, event.kept)
        blob.throughput.count(blob.done - blob.kept)
        self._count_total()

    def _finish(self, event: BlobFinished) -> None:
        self._tally.add(event)
        del self._blobs[event.digest]
        if event.placement in (Placement.PRESENT, Placement.MOUNTED):
            self._skipped += event.size  # not to be moved any more, and not counted for the speed
        else:
            self._done += event.size
            if event.placement is Placement.WRITTEN:
                self._moved += max(0, event.size - event.kept)
        self._count_total()

    def _count_total(self) -> None:
        self._throughput.count(self._moved + sum(blob.done - blob.kept for blob in self._blobs.values()))

    @property
    def renderable(self) -> RenderableType:
        """The rows as they are shown now."""
        return self._render()

    def _render(self) -> RenderableType:
        from rich.console import Group

        rows, blobs, count = self.rows, list(self._blobs.items()), self._count_text
        progress = self._progress([blob for _, blob in blobs])
        first = total_rows(self._console, rows.width, "Total", progress, self._throughput, count=count)
        beside = " " * len(count), " " * LEFT  # the bars are as long as that of the total
        return Group(*first, *(self._blob_row(*one, beside) for one in blobs))

    def _progress(self, blobs: list[_Blob]) -> tuple[int, int]:
        """Return the bytes that are done, with those of blobs in transfer, and all that are to be moved."""
        total = max(self._planned - self._skipped, 0)
        return min(self._done + sum(blob.done for blob in blobs), total), total

    @property
    def _count_text(self) -> str:
        return f"{self._tally.number} of {quantity(len(self._expected), 'blob')}"

    def _blob_row(self, digest: Digest, blob: _Blob, beside: Sequence[str]) -> Text:
        width = self.rows.half
        fraction = blob.done / blob.size if blob.size else 1.0
        both = part_of(min(blob.done, blob.size), blob.size)
        short = both.replace(" of ", "/")
        columns: tuple[str, ...] = (short,) if fits_beside_bar(short, width) else (percentage(fraction),)
        if width >= _WITH_SPEED:
            columns = (both.rjust(BYTES), speed_column(blob.throughput))
        if width >= ONE_ROW:
            columns = (percentage(fraction), *columns, *beside)
        return bar_row(self._console, width, digest.short, fraction, columns)
