"""The tests of the gravest promises fail when what keeps the promise is taken out."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.commands import ROOT, environment
from tests.support.guards import GUARDS


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_without_it_its_test_fails(name: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "tests.support.guards"]
    command += ["--without-guard", name, GUARDS[name].test]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=120)
    # 1: tests were collected and run, and one failed; any other fault has another code.
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout


def test_there_are_ten() -> None:
    assert len(GUARDS) >= 10
