"""Called ``skopeo``, on the command lines of other people's scripts: exit codes, both outputs and files are skopeo's."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.interop.differential import scripts
from tests.interop.differential.outcome import Outcome, both
from tests.interop.differential.row import Row
from tests.interop.differential.world import World

pytestmark = pytest.mark.peer("skopeo")

# What skopeo says of each image of a list, which it copies one after the other.
_OF_EACH_IMAGE = re.compile(
    r"Copying \d+ images generated from \d+ images in list|Copying image sha256:\w+ \(\d+/\d+\)|Storing list signatures"
)
_RECORD = ".pyskopeo-sync.json"


def lines(text: str) -> Counter[str]:
    """The lines, in any order: blobs are copied at the same time. Time stamps are left out, and what Go's HTTP client logs."""
    return Counter(
        re.sub(r'^time="[^"]*" ', "", line) for line in text.splitlines() if "Unsolicited response received" not in line
    )


def steps(text: str, *, of_lists: bool) -> Counter[str]:
    """The lines of standard output; with ``of_lists`` each is counted once, and those about one image are left out."""
    found = lines(text)
    return Counter({line for line in found if not _OF_EACH_IMAGE.fullmatch(line)}) if of_lists else found


def files(outcome: Outcome) -> dict[str, object]:
    return {path: found for path, found in outcome.files.items() if not path.endswith(_RECORD)}


def both_called_skopeo(row: Row, world: World, folder: Path) -> tuple[Outcome, Outcome]:
    theirs, ours = both(row, world, folder, lambda theirs, ours: True, name="skopeo")  # requests are not compared
    assert (theirs.code, ours.code) == (row.code, row.code), ours.stderr
    return theirs, ours


@pytest.mark.parametrize("row", scripts.ROWS, ids=str)
def test_what_succeeds(row: Row, world: World, tmp_path: Path) -> None:
    theirs, ours = both_called_skopeo(row, world, tmp_path)
    of_lists = "Getting image list signatures\n" in theirs.stdout
    wanted = steps(theirs.stdout, of_lists=of_lists)
    if of_lists:  # ours says it of the list alone
        wanted -= Counter({"Getting image source signatures"})
    assert steps(ours.stdout, of_lists=of_lists) == wanted
    assert lines(ours.stderr) == lines(theirs.stderr)
    assert files(ours) == files(theirs)


@pytest.mark.parametrize("row", scripts.FAILING, ids=str)
def test_what_fails(row: Row, world: World, tmp_path: Path) -> None:
    """The last line of both has the phrases that scripts look for; ours then says what to do."""
    theirs, ours = both_called_skopeo(row, world, tmp_path)
    assert isinstance(row.says, str)
    assert row.says
    for outcome in (theirs, ours):
        assert world.filled(row.says) in outcome.message
        assert not [line for line in outcome.stdout.splitlines() if not line.startswith(("Getting ", "Copying ", "Writing "))]
    assert ours.stderr.splitlines()[-1].partition(" msg=")[0].endswith("level=fatal")
    assert "pyskopeo" not in ours.stderr


def test_the_version(world: World, tmp_path: Path) -> None:
    """The first three words are skopeo's: scripts cut them out."""
    theirs, ours = both_called_skopeo(Row("--version"), world, tmp_path)
    assert ours.stdout.split()[:3] == theirs.stdout.split()[:3]


def test_the_next_step_names_skopeo(world: World, tmp_path: Path) -> None:
    _, ours = both_called_skopeo(Row("inspect {T} docker://{token}/private/oci:v1", 1), world, tmp_path)
    assert ours.message.endswith(f"log in with: skopeo login {world.registries['token'].host}")
    (tmp_path / "2").mkdir()
    _, ours = both_called_skopeo(Row("inspect {T} docker://{http}/diff/oci:none", 2), world, tmp_path / "2")
    assert f"for its tags: skopeo list-tags --tls-verify=false docker://{world.registries['http'].host}" in ours.message
