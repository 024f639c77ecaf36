"""Sets of byte offsets, as disjoint ranges in order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class ByteRanges:
    """The offsets in a number of ranges; a range is from its start up to its end, exclusive.

    Ranges that touch are one range. No I/O and no lock.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    def __bool__(self) -> bool:
        return bool(self._starts)

    @property
    def total(self) -> int:
        """The number of offsets."""
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, end: int) -> None:
        """Add a range; nothing if it is empty."""
        if start >= end:
            return
        first = bisect_right(self._starts, start)
        if first and self._ends[first - 1] >= start:
            first -= 1
            start = self._starts[first]
        last = bisect_right(self._starts, end)
        if last > first:
            end = max(end, self._ends[last - 1])
        self._starts[first:last], self._ends[first:last] = [start], [end]

    def end_at(self, offset: int) -> int:
        """Return the end of the range that contains ``offset``, ``offset`` itself if none does."""
        place = bisect_right(self._starts, offset)
        return max(offset, self._ends[place - 1]) if place else offset

    def next_start(self, offset: int, default: int) -> int:
        """Return the start of the first range after ``offset``, ``default`` if there is none."""
        place = bisect_right(self._starts, offset)
        return self._starts[place] if place < len(self._starts) else default
