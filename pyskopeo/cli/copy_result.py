"""What a copy has done, in words: what was written where, and where its bytes came from."""

from __future__ import annotations

from typing import NamedTuple

from ..model.events import BlobFinished, Converted, CopyFinished, Placement
from .quantities import quantity, size, span
from .standard_streams import escape


class CopyNames(NamedTuple):
    """The names (``transport:details``) of an image, or several, and of what it is copied to, "" if that has none."""

    source: str
    destination: str

    @property
    def header(self) -> str:
        """The line that says what is copied where."""
        return escape(self.source) + (f" -> {escape(self.destination)}" if self.destination else "")


class Tally:
    """The number and the size of the blobs that are finished, by how they came to be at the destination."""

    def __init__(self) -> None:
        self._numbers = dict.fromkeys(Placement, 0)
        self._bytes = dict.fromkeys(Placement, 0)
        self._kept = 0

    def add(self, event: BlobFinished) -> None:
        """Count a blob."""
        self._numbers[event.placement] += 1
        self._bytes[event.placement] += event.size
        self._kept += event.kept

    @property
    def number(self) -> int:
        """The number of blobs."""
        return sum(self._numbers.values())

    def lines(self, event: CopyFinished, names: CopyNames | None) -> list[str]:
        """Return what the copy has written and where, and how much of it was copied, present, mounted and linked."""
        written = f"Wrote {escape(names.destination)} " if names is not None and names.destination else "Copied "
        return [f"{written}{event.digest}", f"{self._summary()} in {_duration(event)}"]

    def _summary(self) -> str:
        placed = (
            (Placement.WRITTEN, "copied"), (Placement.PRESENT, "present"),
            (Placement.MOUNTED, "mounted"), (Placement.LINKED, "linked"),
        )  # fmt: skip
        parts = [
            f"{self._numbers[placement]} {word} ({size(self._bytes[placement])}{self._of_it(placement)})"
            for placement, word in placed
            if self._numbers[placement]
        ]
        return f"{quantity(self.number, 'blob')}: {', '.join(parts)}" if parts else "no blobs"

    def _of_it(self, placement: Placement) -> str:
        kept = self._kept if placement is Placement.WRITTEN else 0
        return f", {size(kept)} of it from an interrupted run" if kept else ""


def _duration(event: CopyFinished) -> str:
    """Return how long a copy took, with its speed if it was long enough to have one."""
    if event.seconds < 1 or not event.moved:
        return f"{event.seconds:.1f}s"
    shown = f"{event.seconds:.1f}s" if event.seconds < 60 else span(event.seconds)
    return f"{shown} ({size(event.moved / event.seconds)}/s)"


def converted_line(event: Converted) -> str:
    """Return the line about a manifest that had to change."""
    return f"Converting {event.source} for the destination: its digest becomes {event.digest}"
