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
    ("columns", "with_digest", "directory", "heading"),
    [("160", True, False, True), ("80", False, False, True), ("60", True, True, True), ("40", False, True, True),
     ("30", True, False, False)],
)  # fmt: skip
def test_a_name_is_never_broken_in_two(
    monkeypatch: pytest.MonkeyPatch, columns: str, with_digest: bool, directory: bool, heading: bool
) -> None:
    """Without the digest if that is enough, then without what all names begin with."""
    names = ["docker://registry.example.com/mirror/team/app:1.2.3", "docker://registry.example.com/mirror/team/apt:1"]
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")  # a dumb one has 80 columns always
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    show_summary(SyncReport(tuple(ImageResult(SyncImage("s", name), "copied", DIGEST, 4000, 1.25) for name in names), 1))
    lines = screen.getvalue().splitlines()
    if directory:
        assert lines.pop(0) == "In docker://registry.example.com/mirror/team/"
    assert ("Image" in lines[0]) is heading
    rows = [line for line in lines if line.startswith("copied")]
    assert [row.split()[-1] for row in rows] == [name.rpartition("/")[2] if directory else name for name in names]
    assert (DIGEST.hex[:12] in rows[0]) is with_digest


def test_the_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "dumb")
    results = (*RESULTS, ImageResult(SyncImage("docker://h/c:1", "dir:out/c:1"), "skipped"))
    show_summary(SyncReport(results, 1))
    assert "Status" in screen.getvalue()
    assert "dir:out/c:1" not in screen.getvalue()
    assert "4 images: 1 copied, 1 present, 1 failed, 1 skipped;" in screen.getvalue()
    assert "dir:out/a:1" in screen.getvalue()
    assert "dir:out/a:2" not in screen.getvalue()
