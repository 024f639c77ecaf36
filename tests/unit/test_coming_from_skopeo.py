"""The table of skopeo's verbs, transports and flags in docs/coming-from says what is so, and leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyskopeo.cli.command import GLOBAL, HIDDEN, VERSION, every_command
from pyskopeo.transports import TRANSPORTS
from tests.support import skopeo_flags as skopeo

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from" / "skopeo.md").read_text()
SECTION = PAGE.partition("## Every verb, transport and flag\n")[2].partition("\n## ")[0]
STATES = ("same", "better", "different on purpose", "not yet")


def braces(word: str) -> list[str]:
    """``--{a,b}-c`` is ``--a-c`` and ``--b-c``."""
    before, opened, rest = word.partition("{")
    if not opened:
        return [word]
    inner, _, after = rest.partition("}")
    return [before + each + after for each in inner.split(",")]


def table() -> dict[str, dict[str, list[str]]]:
    """The rows by what they are about: what is in which state."""
    head, _, *rows = [
        [cell.strip() for cell in line[1:-1].split("|")] for line in SECTION.splitlines() if line.startswith("|")
    ]
    assert tuple(head[1:]) == STATES
    return {
        row[0].strip("`"): {
            state: [word for text in re.findall(r"`([^`]+)`", cell) for word in braces(text)]
            for state, cell in zip(STATES, row[1:], strict=True)
        }
        for row in rows
    }


ROWS = table()
OURS = {command.name.partition(" ")[0]: {flag.name for flag in command.flags} for command in every_command()}
OURS["any verb"] = {flag.name for flag in (*GLOBAL, VERSION)} | {"help"}
THEIRS = {**skopeo.FLAGS, "any verb": skopeo.GLOBAL}


def test_every_verb_with_flags_has_a_row() -> None:
    assert ROWS.keys() == {"verbs", "transports", *THEIRS}


@pytest.mark.parametrize(
    ("row", "theirs", "ours"),
    [
        ("verbs", skopeo.VERBS, (OURS.keys() | HIDDEN) - {"any verb"}),
        ("transports", skopeo.TRANSPORTS, set(TRANSPORTS)),
        *((verb, flags, OURS[verb]) for verb, flags in THEIRS.items()),
    ],
)
def test_every_state_is_true(row: str, theirs: frozenset[str], ours: set[str]) -> None:
    found = {state: [word.removeprefix("--") for word in words] for state, words in ROWS[row].items()}
    every = [word for words in found.values() for word in words]
    assert len(every) == len(set(every)), "in two states"
    assert set(every) == theirs
    assert set(found.pop("not yet")) == theirs - ours
    for words in found.values():
        assert set(words) <= ours


@pytest.mark.parametrize("row", [row for row in ROWS if row not in ("verbs", "transports")])
def test_what_is_better_or_different_is_explained(row: str) -> None:
    prose = " ".join(line for line in SECTION.splitlines() if not line.startswith("|"))
    for state in ("better", "different on purpose"):
        for word in ROWS[row][state]:
            short = re.sub(r"^--(src|dest)-(?=daemon)", "--", word)
            assert f"`{short}`" in prose, word


def test_its_verbs_are_spoken_of_by_our_help(capsys: pytest.CaptureFixture[str]) -> None:
    from pyskopeo.cli.main import main

    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb in skopeo.VERBS - set(ROWS["verbs"]["not yet"]) - HIDDEN:
        assert f"\n  {verb} " in shown
