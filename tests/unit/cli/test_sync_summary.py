"""The summary of many images, in a pipe and on a terminal."""

from __future__ import annotations

import sys

import pytest

from pyskopeo.cli.sync_summary import show_summary
from pyskopeo.model.digest import Digest
from pyskopeo.syncing.sync_request import ImageResult, SyncImage, SyncReport
from tests.support.terminal import Terminal

ONE = SyncImage("docker://h/a:1", "dir:out/a:1")
TWO = SyncImage("docker://h/a:2", "dir:out/a:2")
DIGEST = Digest.of(b"x")
RESULTS = (
    ImageResult(ONE, "copied", DIGEST, 4000, 1.25),
    ImageResult(TWO, "present", DIGEST),
    ImageResult(SyncImage("docker://h/b:1", "dir:out/b:1"), "failed", error="x"),
)


def test_the_table_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(SyncReport(RESULTS, 1, 0, 65.0))
    assert capsys.readouterr().err.splitlines() == [
        f"copied   sha256:{DIGEST.hex[:12]}     3.9 KiB    1.2s  dir:out/a:1",
        "failed                               0 B    0.0s  dir:out/b:1",
        "3 images: 1 copied, 1 present, 1 failed; 3.9 KiB moved in 1m05s",
    ]


def test_a_long_table_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    results = tuple(ImageResult(SyncImage("s", f"dir:{n}"), "copied", DIGEST) for n in range(203))
    show_summary(SyncReport(results, 1))
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[-2]) == (202, "and 3 more")


@pytest.mark.parametrize(
    ("columns", "with_digest", "heading"), [("160", True, True), ("80", False, True), ("60", True, False)]
)
def test_a_name_is_never_broken_in_two(
    monkeypatch: pytest.MonkeyPatch, columns: str, with_digest: bool, heading: bool
) -> None:
    name = "docker://registry.example.com/mirror/team/app:1.2.3"
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")  # a dumb one has 80 columns always
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    show_summary(SyncReport((ImageResult(SyncImage("s", name), "copied", DIGEST, 4000, 1.25),), 1))
    lines = screen.getvalue().splitlines()
    assert ("Image" in lines[0]) is heading
    (row,) = (line for line in lines if line.startswith("copied"))
    assert row.rstrip().endswith(name)
    assert (DIGEST.hex[:12] in row) is with_digest


def test_the_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "dumb")
    show_summary(SyncReport(RESULTS, 1))
    assert "Status" in screen.getvalue()
    assert "dir:out/a:1" in screen.getvalue()
    assert "dir:out/a:2" not in screen.getvalue()
