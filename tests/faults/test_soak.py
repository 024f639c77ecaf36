"""``scripts/soak``: random cases, and what is said of one that fails."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.model.verifier import Verifier

from . import cases
from .cases import Case

SOAK = Path(__file__).parents[2] / "scripts" / "soaklib.py"


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """The soak changes the environment of its process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_some_cases() -> None:
    done = subprocess.run(
        [sys.executable, SOAK, "--seed", "1", "--cases", "3"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "soak: the first seed is 1\nsoak: 3 cases, 0 failed: -\n"


def test_time_is_up(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["soak", "--seconds", "0"])
    assert runpy.run_path(str(SOAK))["main"]() == 0
    assert capsys.readouterr().out.endswith("soak: 0 cases, 0 failed: -\n")


def test_a_failure_is_printed_with_the_command_that_repeats_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "random_case", lambda seed: Case("docker", "oci", (("wrong-byte",),), seed))
    monkeypatch.setattr(Verifier, "finish", lambda self: None)
    monkeypatch.setattr(sys, "argv", ["soak", "--seed", "7", "--cases", "1"])
    assert runpy.run_path(str(SOAK))["main"]() == 1
    said = capsys.readouterr().out
    assert "soak: seed 7 failed: docker-to-oci-wrong-byte-7\n" in said
    assert "Violated" in said
    assert "scripts/soak --seed 7 --cases 1" in said
    assert said.endswith("soak: 1 cases, 1 failed: 7\n")
