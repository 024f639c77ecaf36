"""Completion in the real shells, and what changes when the program is called ``skopeo``."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from pyskopeo.cli.command import SUMMARIES
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import environment

BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _pyskopeo; printf '%s\\n' "${COMPREPLY[@]}"
"""
LINES = [
    (["pyskopeo", "ins"], {"inspect"}),
    (["pyskopeo", "inspect", "--ra"], {"--raw"}),
    (["skopeo", "copy", "oci-"], {"oci-archive:"}),
    (["pyskopeo", "--pol"], {"--policy"}),
    (["pyskopeo", "copy", "--dest-compress-f"], {"--dest-compress-format"}),
    (["pyskopeo", "store", "pr"], {"prune"}),
    (["pyskopeo", "store", "prune", "--older"], {"--older-than"}),
]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    path = tmp_path_factory.mktemp("completion") / "script"
    path.write_text(succeed(pyskopeo_here("completion", request.param)).stdout.decode())
    return path


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, env=environment(), timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


@pytest.mark.parametrize("script", ["bash"], indirect=True)
@pytest.mark.parametrize(("words", "expected"), LINES)
def test_bash(script: Path, words: list[str], expected: set[str]) -> None:
    assert set(run("bash", "-c", BASH, "bash", str(script), *words).split()) == expected


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash_knows_all_commands(script: Path) -> None:
    assert set(run("bash", "-c", BASH, "bash", str(script), "pyskopeo", "").split()) == set(SUMMARIES)


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash_completes_files_where_a_flag_wants_a_value(script: Path) -> None:
    (script.parent / "auth.json").touch()
    words = ("pyskopeo", "copy", "--authfile", f"{script.parent}/au")
    assert run("bash", "-c", BASH, "bash", str(script), *words).split() == [f"{script.parent}/auth.json"]


@pytest.mark.peer("fish")
@pytest.mark.parametrize("script", ["fish"], indirect=True)
@pytest.mark.parametrize(("words", "expected"), LINES)
def test_fish(script: Path, words: list[str], expected: set[str]) -> None:
    told = run("fish", "--no-config", "-c", f"source {script}; complete -C '{' '.join(words)}'")
    assert {line.partition("\t")[0] for line in told.splitlines()} == expected


@pytest.mark.peer("zsh")
@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh_understands_it(script: Path) -> None:
    run("zsh", "--no-rcs", "-n", str(script))
    asking = f"autoload -U compinit; compinit -D; source {script}; print $_comps[pyskopeo] $_comps[skopeo]"
    assert run("zsh", "--no-rcs", "-c", asking).split() == ["_pyskopeo", "_pyskopeo"]


def test_an_unknown_shell() -> None:
    done = pyskopeo_here("completion", "tcsh")
    assert (done.code, done.stdout) == (1, b"")
    assert "unknown shell 'tcsh': want bash, fish, zsh" in done.stderr


def test_called_skopeo(tmp_path: Path) -> None:
    link = tmp_path / "skopeo"
    link.symlink_to(Path(sysconfig.get_path("scripts")) / "pyskopeo")
    assert run(str(link), "--version").startswith("skopeo version 1.")
    assert "\nUsage:\n  skopeo copy " in run(str(link), "copy", "--help")
    wrong = subprocess.run([link, "bogus"], capture_output=True, env=environment(), timeout=30, check=False)
    assert b"Try 'skopeo --help' for more information" in wrong.stderr
