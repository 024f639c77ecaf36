"""Rows of text: what is cut on a terminal, and what a pipe gets."""

from __future__ import annotations

import re

import pytest

from pyskopeo.cli.text_output import TextOutput, columns
from pyskopeo.cli.text_rows import TextRows, aligned, percentage, printable

PATH = "/usr/lib/python3.11/email/__pycache__/_header_value_parser.cpython-311.pyc"


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int | None, *, color: bool = False) -> list[str]:
    monkeypatch.setattr(TextOutput, "of_stdout", lambda: TextOutput(width, color))
    out = TextRows()
    out.line("a sentence of several words that is longer than a narrow terminal is wide", "dim")
    out.row(["12 B", *out.bar(0.5)], PATH, "added", keep_end=True)
    out.row([out.painted("+", "added")], "\x1b[31m" + "日本語" * 40)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(
    width: int, color: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(monkeypatch, capsys, width, color=color)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert max(map(columns, plain)) <= width
    assert (lines != plain) is color
    assert any(line.endswith("cpython-311.pyc") for line in plain)
    assert any("█" in line for line in plain) is (width >= 80)


def test_a_pipe_gets_everything(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(monkeypatch, capsys, None)
    assert lines[1] == f"12 B  {PATH}"
    assert lines[2].startswith("+   [31m日")
    assert len(lines) == 3


def test_cells() -> None:
    assert aligned([("a", "b"), ("long", "10")], "<>") == [["a   ", " b"], ["long", "10"]]
    assert (percentage(1, 3), percentage(1, 0)) == ("33.3%", "0.0%")
    assert printable("caf\udce9\n\u202e") == "caf\\xe9 "
