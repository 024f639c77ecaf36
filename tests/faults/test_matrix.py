"""Copies of every kind in every trouble: what holds then, and that the next run makes it good.

A case that fails is run again alone by its name: ``pytest tests/faults/test_matrix.py -k NAME``. Half of the cases run on
asyncio and half on trio, half of them into an empty place; its name decides.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from .cases import SLOW, Case, every_case
from .fetches import Fetches, asked_blobs
from .images import LARGE, SIZES
from .kept import kept_bytes
from .part_troubles import parts
from .places import DESTINATIONS, PAIRS, SOURCES
from .scenes import job_for, opened, undisturbed
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


@pytest.mark.parametrize("destination", ["oci", "oci-shared", "dir", "oci-archive", "sync-oci", "sync-dir"])
def test_there_is_something_to_go_on_with(destination: str, tmp_path: Path) -> None:
    """Troubles with what is kept are about something, and what the next run may fetch is less than everything."""
    reference = undisturbed("docker", destination, fresh=True)
    with opened("docker", destination, tmp_path, fresh=True) as scene:
        with catalogue()["dies"].begin(scene, reference, Random(1)):
            assert scene.run().error is not None
        scene.heal()
        kept = kept_bytes(scene.state().temporary)
        assert kept[LARGE] > SIZES[LARGE] // 4
        assert any(path.name.startswith(f".{LARGE[7:47]}.") for path in parts(scene))
        fetches = Fetches(scene)
        run = scene.run()
        assert run.error is None
        fetches.check(run)
        assert fetches.bytes_of(LARGE) == SIZES[LARGE] - kept[LARGE]


def test_the_largest_layer_is_fetched_in_parts(tmp_path: Path) -> None:
    with opened("docker", "oci", tmp_path, fresh=True) as scene:
        assert scene.registry is not None
        scene.registry.on_blob(LARGE, SLOW)
        assert scene.run(job_for(scene, in_parts=True)).error is None
        assert asked_blobs(scene)[LARGE] > 4
