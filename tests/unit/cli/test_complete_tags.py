"""What of a command line is completed by asking a registry, and as whom."""

from __future__ import annotations

import pytest

from pyskopeo.cli.command import Command, every_command
from pyskopeo.cli.complete_tags import side, split_line, tag_repository

COMMANDS = {command.name: command for command in every_command()}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pyskopeo copy a", ["pyskopeo", "copy", "a"]),
        ("pyskopeo copy ", ["pyskopeo", "copy", ""]),
        ("pyskopeo copy 'a b", ["pyskopeo", "copy", "a b"]),
        ('pyskopeo copy "a ', ["pyskopeo", "copy", "a "]),
        (r"pyskopeo copy a\ b", ["pyskopeo", "copy", "a b"]),
        ("pyskopeo 'a' \"b\\", []),
        ("A=1 B='2 3' pyskopeo copy a", ["pyskopeo", "copy", "a"]),
        ("", []),
    ],
)
def test_an_unfinished_line(line: str, words: list[str]) -> None:
    assert split_line(line) == words


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("docker://h/r:", ("h/r", "")),
        ("docker://h:5000/r/s:v1", ("h:5000/r/s", "v1")),
        # This may become a port: the name of a host inside a network is told to nobody.
        ("docker://h:50", None),
        ("docker://h:5000/r", None),
        ("docker://h/r", None),
        ("docker://h/r@sha256:00", None),
        ("docker://h/r:t@sha256:00", None),
        ("oci:dir/x:t", None),
        ("h/r:t", None),
        ("", None),
    ],
)
def test_only_a_tag_is_asked_for(word: str, expected: tuple[str, str] | None) -> None:
    assert tag_repository(word) == expected


@pytest.mark.parametrize(
    ("name", "position", "expected"),
    [
        ("copy", 0, "src-"),
        ("copy", 1, "dest-"),
        ("index create", 0, "dest-"),
        ("index create", 1, "src-"),
        ("index create", 5, "src-"),
        ("inspect", 0, ""),
    ],
)
def test_whose_flags_count(name: str, position: int, expected: str) -> None:
    command: Command[object] = COMMANDS[name]
    assert side(command, position) == expected
