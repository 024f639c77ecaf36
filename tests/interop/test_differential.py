"""The same command lines given to the real skopeo and to pyskopeo, against the same real registries."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from tests.interop.differential import accounts, copies, queries, settings
from tests.interop.differential.allowed import ALLOWED, version
from tests.interop.differential.outcome import Outcome, both, differing
from tests.interop.differential.row import Row
from tests.interop.differential.world import World

ROWS = (*copies.ROWS, *queries.ROWS, *settings.ROWS, *accounts.ROWS)
LISTED = re.findall(r"^\| `([a-z0-9-]+)` \|", (Path(__file__).parent / "differences.md").read_text(), re.MULTILINE)


def agree(row: Row, theirs: Outcome, ours: Outcome) -> bool:
    """Whether all that differs is what the row names."""
    for name in row.differs:
        ours = ALLOWED[name](theirs, ours)
    return not differing(theirs, ours)


def check(row: Row, world: World, theirs: Outcome, ours: Outcome) -> None:
    """They are the same, but for the differences that the row names, each of which is there."""
    assert theirs.code == row.code, theirs.stderr
    says = (row.says, row.says) if isinstance(row.says, str) else row.says
    for outcome, phrase in zip((theirs, ours), says, strict=True):
        if outcome.code:
            assert phrase, "a row that fails names what is said"
            assert world.filled(phrase) in outcome.message
        assert "Traceback" not in outcome.stderr
    undone = ours
    for name in row.differs:
        before, undone = undone, ALLOWED[name](theirs, undone)
        assert differing(before, undone), f"{name} is no longer a difference"
    for aspect in differing(theirs, undone):
        assert getattr(undone, aspect) == getattr(theirs, aspect), ours.stderr


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_both_programs(row: Row, world: World, tmp_path: Path) -> None:
    check(row, world, *both(row, world, tmp_path, partial(agree, row)))


def test_the_list_of_differences() -> None:
    """Each is in the file, can be recognised, and is shown by a row; and in that order, so that it is found."""
    used = {name for row in ROWS for name in row.differs}
    assert sorted(LISTED) == LISTED
    assert set(LISTED) == used == set(ALLOWED)


def test_there_are_enough_rows() -> None:
    assert len({(row.line, str(row.env), str(row.files), row.before) for row in ROWS}) == len(ROWS) >= 120


OUTCOME = Outcome(0, "", "", {}, frozenset())


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_no_difference_is_seen_where_there_is_none(name: str) -> None:
    """Otherwise one that has gone would never be noticed."""
    path, json = "home/run/containers/auth.json", b'{"auths": {}}'
    files = {
        path: ("-rw-------", json), "new.oci.tar": ("-rw-r--r--", b"[]"), "new/manifest.json": ("-rw-r--r--", b"{}"),
        "new/index.json": ("-rw-r--r--", b'{"manifests": []}'),
    }  # fmt: skip
    if name == "layout-form":
        files = {}
    outcome = Outcome(1, "", "", files, frozenset({("http", "read", "a", "b")}))
    assert not differing(outcome, ALLOWED[name](outcome, outcome))
    assert not differing(OUTCOME, version(OUTCOME, OUTCOME))
