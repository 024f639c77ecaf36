"""Copies of every kind in every trouble: what holds then, and that the next run makes it good.

A case that fails is run again alone by its name: ``pytest tests/faults/test_matrix.py -k NAME``. Half of the cases run on
asyncio and half on trio, half of them into an empty place; its name decides.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from .cases import Case, every_case
from .places import DESTINATIONS, PAIRS, SOURCES
from .troubles import catalogue

CASES = tuple(every_case())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_copy_in_trouble(case: Case, tmp_path: Path) -> None:
    case.run(tmp_path)


def test_the_matrix_is_complete() -> None:
    assert len(CASES) >= 500
    assert len(set(map(str, CASES))) == len(CASES)
    assert {(case.source, case.destination) for case in CASES} == set(PAIRS)
    assert {case.source for case in CASES} == SOURCES.keys()
    assert {case.destination for case in CASES} == DESTINATIONS.keys()
    count = Counter(name for case in CASES for troubles in case.rounds for name in troubles)
    assert count.keys() == catalogue().keys()
    assert min(count.values()) >= 8
