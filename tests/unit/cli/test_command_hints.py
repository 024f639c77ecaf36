"""Commands that other programs have: the answer is the command line that does the same here."""

from __future__ import annotations

import shlex

import pytest

from pyskopeo.cli.command import GLOBAL, SUMMARIES, CommandGroup, load_command
from pyskopeo.cli.command_hints import _COMMAND_LINES, _OTHER_NAMES, hint
from pyskopeo.cli.flags import parse
from tests.support.cli import run


@pytest.mark.parametrize(
    ("verb", "words", "first"),
    [
        ("pull", ["alpine"], "copy docker://alpine oci:alpine:latest"),
        ("pull", ["docker://quay.io/team/app:1.4"], "copy docker://quay.io/team/app:1.4 oci:app:1.4"),
        ("pull", ["quay.io:443/team/app@sha256:" + 64 * "0"], f"copy docker://quay.io:443/team/app@sha256:{64 * '0'} oci:app:latest"),
        ("pull", [], "copy docker://docker.io/library/alpine:3.20 oci:alpine:3.20"),
        ("push", ["r.example.com/app:1"], "copy oci:app:1 docker://r.example.com/app:1"),
        ("push", ["app.tar", "r.example.com/app:1"], "copy docker-archive:app.tar docker://r.example.com/app:1"),
        ("push", ["layout", "r.example.com/app"], "copy oci:layout docker://r.example.com/app"),
        ("push", ["oci:app:1", "docker://r.example.com/app"], "copy oci:app:1 docker://r.example.com/app"),
        ("cp", ["docker://alpine", "oci:x:y"], "copy docker://alpine oci:x:y"),
        ("pull", ["oci:x"], "copy docker://docker.io/library/alpine:3.20 oci:alpine:3.20"),
        ("rmi", ["oci:x:y"], "delete oci:x:y"),
        ("save", ["alpine:3"], "copy docker://alpine:3 docker-archive:alpine.tar:alpine:3"),
        ("save", ["alpine", "a.tar"], "copy docker://alpine docker-archive:a.tar:alpine:latest"),
        ("load", ["dir/app.tar"], "copy docker-archive:dir/app.tar docker-daemon:app:latest"),
        ("mirror", ["alpine", "r.example.com/hub"], "sync --src docker --dest docker alpine r.example.com/hub"),
        ("cp", ["alpine", "r.example.com/alpine"], "copy docker://alpine docker://r.example.com/alpine"),
        ("digest", ["alpine"], "inspect --format '{{.Digest}}' docker://alpine"),
        ("rmi", ["r.example.com/app:1"], "delete docker://r.example.com/app:1"),
        ("tags", ["quay.io/team/app:1"], "list-tags docker://quay.io/team/app"),
        ("images", ["-a"], "layout ls oci:DIR"),
        ("run", ["alpine"], "extract docker://alpine --dest rootfs"),
    ],
)  # fmt: skip
def test_command_lines(verb: str, words: list[str], first: str) -> None:
    assert hint(verb, words).partition("Try:\n  pyskopeo ")[2].splitlines()[0] == first


@pytest.mark.parametrize("verb", _COMMAND_LINES)
@pytest.mark.parametrize("words", [[], ["quay.io/a:1"], ["quay.io/a:1", "b.example.com/c:2"]], ids=len)
def test_every_command_line_is_one_that_is_accepted(verb: str, words: list[str]) -> None:
    assert verb not in SUMMARIES
    shown = hint(verb, words)
    lines = [line.removeprefix("  pyskopeo ") for line in shown.splitlines() if line.startswith("  pyskopeo ")]
    assert lines
    for line in lines:
        name, *rest = shlex.split(line)
        command = load_command(name)
        if isinstance(command, CommandGroup):
            command = command.command(rest.pop(0))
        parsed, _ = parse(rest, (*GLOBAL, *command.flags))
        command.check_count(parsed.arguments)


def test_no_hint_is_about_a_command_that_there_is() -> None:
    assert SUMMARIES.keys() & {*_COMMAND_LINES, *_OTHER_NAMES} == set()
    assert {meant.partition(" ")[0] for meant in _OTHER_NAMES.values()} <= SUMMARIES.keys()


@pytest.mark.parametrize(
    "words", [["--creds", "user:secret", "alpine"], ["alpine", "-p", "secret"], ["$(secret)"], ["\x1b[31msecret"], ["secret" * 50]]
)
def test_what_may_be_a_secret_or_no_name_is_not_repeated(words: list[str]) -> None:
    assert "secret" not in hint("pull", words)
    assert "docker://docker.io/library/alpine:3.20" in hint("pull", words)


def test_the_message(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, (message,) = run(capsys, "pull", "alpine")
    assert (code, out) == (1, "")
    assert message.splitlines() == [
        "fatal: Unrecognized command `pyskopeo pull`",
        "There are no local images: say where to copy it. Try:",
        "  pyskopeo copy docker://alpine oci:alpine:latest",
        "  pyskopeo copy docker://alpine docker-archive:alpine.tar:alpine:latest",
        "  pyskopeo copy docker://alpine docker-daemon:alpine:latest",
        "Try 'pyskopeo --help' for more information",
    ]
    monkeypatch.setattr("sys.argv", ["skopeo"])
    assert hint("pull", ["alpine"]) == "Did you mean 'copy'? "
