"""Arguments from files: one a line, as they are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pyskopeo.cli.flags import Flag, boolean, parse
from pyskopeo.cli.main import main
from pyskopeo.errors import InvalidInput
from tests.support.cli import pyskopeo_here

FLAGS = (
    Flag("all", "everything", short="a", read=boolean, default=False),
    Flag("format", "a text", short="f", value="TEXT"),
)


def read(*words: str, files: bool = True) -> tuple[dict[str, object], list[str]]:
    parsed, left = parse(words, FLAGS, files=files)
    assert left == []
    return {name: parsed.values[name] for name in parsed.given}, parsed.arguments


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return tmp_path / "params"


@pytest.mark.parametrize(
    ("content", "values", "arguments"),
    [
        ("a\nb\n", {}, ["a", "b"]),
        ("a\nb", {}, ["a", "b"]),
        ("", {}, []),
        ("\n", {}, [""]),
        ("a\n\nb\n", {}, ["a", "", "b"]),
        ("--format\nx y\n--all\n", {"format": "x y", "all": True}, []),
        ("--format=x\n'a b'\n", {"format": "x"}, ["'a b'"]),
        ("--\n--all\n", {}, ["--all"]),
        # What begins with @ in a file is itself.
        ("@b\n@@c\n", {}, ["@b", "@@c"]),
        ("a\r\n", {}, ["a\r"]),
    ],
)
def test_one_argument_a_line(content: str, values: dict[str, object], arguments: list[str], params: Path) -> None:
    params.write_text(content, newline="")
    assert read(f"@{params}") == (values, arguments)


def test_where_it_stands_for_its_lines(params: Path) -> None:
    params.write_text("b\n--all\n")
    assert read("a", f"@{params}", "c") == ({"all": True}, ["a", "b", "c"])
    assert read("--format", f"@{params}") == ({"format": f"@{params}"}, [])  # the value of a flag
    assert read("--", f"@{params}") == ({}, [f"@{params}"])
    assert read(f"@{params}", files=False) == ({}, [f"@{params}"])


def test_an_argument_that_begins_with_it() -> None:
    assert read("@@a", "@@@b") == ({}, ["@a", "@@b"])


def test_bytes_that_are_no_text(params: Path) -> None:
    params.write_bytes(b"\xff\n")
    assert [os.fsencode(word) for word in read(f"@{params}")[1]] == [b"\xff"]


@pytest.mark.parametrize("kind", ["none", "directory", "fifo", "loop", "nul"])
def test_a_file_that_cannot_be_read(kind: str, params: Path) -> None:
    if kind == "directory":
        params.mkdir()
    elif kind == "fifo":
        os.mkfifo(params)
    elif kind == "loop":
        params.symlink_to(params)
    elif kind == "nul":
        params.write_bytes(b"secret\0x")
    with pytest.raises(InvalidInput) as caught:
        read(f"@{params}")
    assert str(caught.value).startswith(f"reading arguments from @{params}: ")
    assert "secret" not in str(caught.value)


def test_a_whole_command_line(params: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (params.parent / "manifest.json").write_text('{"schemaVersion":2,"manifests":[]}')
    params.write_text(f"manifest-digest\n{params.parent / 'manifest.json'}\n")
    assert main([f"@{params}"]) == 0
    whole = capsys.readouterr().out
    params.write_text(f"{params.parent / 'manifest.json'}\n")
    assert main(["manifest-digest", f"@{params}"]) == 0
    assert capsys.readouterr().out == whole
    assert whole.startswith("sha256:")


def test_words_of_the_file_are_not_read_as_files_by_the_command(params: Path) -> None:
    """The first words of a command line are parsed apart from the rest."""
    params.write_text("manifest-digest\n@no-such-file\n")
    assert "Error reading manifest from @no-such-file" in pyskopeo_here(f"@{params}").stderr


def test_skopeo_knows_no_such_files(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["skopeo"])
    assert "Unrecognized command" in pyskopeo_here(f"@{params}").stderr
