"""Lines of the log: one line each, and no password."""

from __future__ import annotations

import contextlib
import sys

import pytest

from pyskopeo.cli.log import emit, emit_notice, line, log, printing_above
from tests.support.terminal import Terminal


def test_messages_are_one_line_and_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    log("fatal", 'a "quoted"\nline \\ with \x1b[31mcolour\u2028')
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r'level=fatal msg="a \"quoted\"\nline \\ with \x1b[31mcolour\u2028"')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("docker://user:s3cret@host:5000/x is bad", "docker://***@host:5000/x is bad"),
        ("via http://user:s3cret@proxy", "via http://***@proxy"),
        ("docker://alpine:3@sha256:00", "docker://alpine:3@sha256:00"),
        ("docker://host:5000/a@sha256:00", "docker://host:5000/a@sha256:00"),
    ],
)
def test_a_password_in_an_address_is_not_repeated(capsys: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    log("fatal", text)
    assert capsys.readouterr().err.endswith(f'msg="{shown}"\n')


@pytest.mark.parametrize(
    ("fields", "tail"),
    [
        ({"repo": "p/app", "registry": "127.0.0.1:5000"}, ' registry="127.0.0.1:5000" repo=p/app'),
        ({"tagged": "false"}, " tagged=false"),
        ({"empty": ""}, " empty="),
        ({"odd": 'a "b" \\ \n'}, ' odd="a \\"b\\" \\\\ \\n"'),
        ({"error": "GET http://u:secret@h/: no"}, ' error="GET http://***@h/: no"'),
        ({}, ""),
    ],
)
def test_fields_follow_by_name(fields: dict[str, str], tail: str) -> None:
    assert line("info", "text", fields).endswith(f'level=info msg="text"{tail}')


def test_fields_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert line("info", "Getting tags", {"image": "a/b"})[10:] == f" {'Getting tags':<45} image=a/b"


@pytest.mark.parametrize(
    ("level", "term", "name", "shown"),
    [
        ("fatal", "xterm", "pyskopeo", "\x1b[31mFATA\x1b[0m["), ("error", "xterm", "pyskopeo", "\x1b[31mERRO\x1b[0m["),
        ("warning", "xterm", "pyskopeo", "\x1b[33mWARN\x1b[0m["), ("info", "xterm", "pyskopeo", "INFO["),
        ("fatal", "dumb", "pyskopeo", "FATA["), ("fatal", "xterm", "skopeo", "FATA["),
    ],
)  # fmt: skip
def test_red_is_for_errors(level: str, term: str, name: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "argv", [f"/usr/bin/{name}"])
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert line(level, "text").startswith(shown)
    monkeypatch.setenv("NO_COLOR", "1")
    assert line(level, "text").startswith(f"{level[:4].upper()}[")


def test_a_line_that_cannot_be_written_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "w", buffering=1)  # noqa: SIM115 - closing it fails
    monkeypatch.setattr(sys, "stderr", full)
    for text in ("one", "two"):
        emit(text)
    assert sys.stderr is not full  # in whose buffer the first line is
    with contextlib.suppress(OSError):
        full.close()


def test_lines_above_rows(capsys: pytest.CaptureFixture[str]) -> None:
    above: list[str] = []
    with printing_above(above.append):
        log("info", "inside")
        emit_notice("hostile \x9b31m")
    log("info", "outside")
    assert [text.partition("msg=")[2] or text for text in above] == ['"inside"', "hostile \\u009b31m"]
    assert capsys.readouterr().err.endswith('msg="outside"\n')
