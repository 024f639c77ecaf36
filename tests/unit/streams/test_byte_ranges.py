"""Ranges of bytes, compared with sets of offsets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.streams.byte_ranges import ByteRanges

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1])))


@given(RANGES)
def test_ranges_are_the_offsets_that_were_added(ranges: list[tuple[int, int]]) -> None:
    found = ByteRanges(ranges)
    offsets = {offset for start, end in ranges for offset in range(start, end)}
    assert {offset for start, end in found for offset in range(start, end)} == offsets
    assert found.total == len(offsets)
    assert bool(found) == bool(offsets)
    edges = [edge for pair in found for edge in pair]
    assert edges == sorted(set(edges))  # in order, and none touches the next


@given(RANGES, st.integers(0, 60))
def test_what_is_next(ranges: list[tuple[int, int]], offset: int) -> None:
    found = ByteRanges(ranges)
    offsets = {offset for start, end in ranges for offset in range(start, end)}
    end = offset
    while end in offsets:
        end += 1
    assert found.end_at(offset) == end
    starts = [one for one in offsets if one - 1 not in offsets and one > offset]
    assert found.next_start(offset, 99) == min(starts, default=99)


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ([(0, 5), (5, 9)], [(0, 9)]),
        ([(5, 9), (0, 5)], [(0, 9)]),
        ([(0, 2), (4, 6), (8, 9), (1, 8)], [(0, 9)]),
        ([(0, 2), (4, 6), (3, 3)], [(0, 2), (4, 6)]),
        ([(0, 9), (2, 4)], [(0, 9)]),
    ],
)
def test_ranges_that_touch_are_one(added: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    assert list(ByteRanges(added)) == expected
