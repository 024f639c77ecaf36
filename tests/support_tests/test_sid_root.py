"""Programs of Debian sid run in their root directory, and leave nothing there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.processes import PeerFailed, wait_until
from tests.support.require import SID_ROOT
from tests.support.sid_root import SidRoot, run_in_sid

pytestmark = [pytest.mark.peer("sid-bazel"), pytest.mark.peer("sid-nix")]


def test_what_is_bound_is_kept_and_all_else_is_not(tmp_path: Path) -> None:
    script = "cat /in/question && echo one >/in/answer && echo two >/etc/made && cat /etc/made"
    (tmp_path / "question").write_text("three\n")
    done = run_in_sid(["sh", "-c", script], binds={tmp_path: Path("/in")})
    assert (done.returncode, done.stdout, done.stderr) == (0, "three\ntwo\n", "")
    assert (tmp_path / "answer").read_text() == "one\n"
    assert not (SID_ROOT / "etc" / "made").exists()
    assert not (SID_ROOT / "in").exists()


def test_environment_directory_and_exit_code(tmp_path: Path) -> None:
    done = run_in_sid(["sh", "-c", "pwd; echo $A; exit 3"], binds={tmp_path: tmp_path}, cwd=tmp_path, env={"A": "b"})
    assert (done.returncode, done.stdout) == (3, f"{tmp_path}\nb\n")


def test_processes_in_the_background_last_until_the_end(tmp_path: Path) -> None:
    with SidRoot({tmp_path: tmp_path}) as sid:
        sid.run(["sh", "-c", "(while :; do echo >>beats; sleep 0.05; done) >/dev/null 2>&1 &"], cwd=tmp_path)
        beats = tmp_path / "beats"
        assert wait_until(lambda: beats.exists() and beats.stat().st_size > 2, 10)
        assert sid.run(["sh", "-c", "ls /proc | grep -c '^[0-9]'"]).stdout.strip() in {"5", "6", "7", "8"}
    size = beats.stat().st_size
    assert not wait_until(lambda: beats.stat().st_size > size, 0.3)


def test_what_cannot_be_bound_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match="nowhere"), SidRoot({tmp_path / "nowhere": Path("/in")}):
        pass


def test_the_programs_are_newer_than_those_of_debian_12() -> None:
    for program, oldest in {"bazel": (7, 7), "nix": (2, 34), "umoci": (0, 6), "python3": (3, 13)}.items():
        said = run_in_sid([program, "--version"]).stdout
        found = re.search(r"(\d+)\.(\d+)", said)
        assert found, said
        assert (int(found[1]), int(found[2])) >= oldest
