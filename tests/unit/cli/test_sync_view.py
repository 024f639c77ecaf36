"""What a sync shows: lines in a pipe, bars and a table on a terminal."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from pyskopeo.access import Access
from pyskopeo.cli import sync_view
from pyskopeo.cli.live_rows import LiveRows
from pyskopeo.cli.sync_view import Bars, ImageSteps, Lines, show_summary, viewing
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    CopyPlanned,
    ManifestWritten,
    Placement,
    Retrying,
    Warned,
)
from pyskopeo.syncing.sync_request import (
    ImageEvent,
    ImageFinished,
    ImageGroup,
    ImageResult,
    ImagesListed,
    ImageStarted,
    ImageWaiting,
    Listing,
    LogMessage,
    SyncImage,
    SyncReport,
)
from tests.support.terminal import Screen, Terminal

ONE = SyncImage("docker://h/a:1", "dir:out/a:1")
TWO = SyncImage("docker://h/a:2", "dir:out/a:2")
DIGEST = Digest.of(b"x")
BLOB = Descriptor("t", DIGEST, 4000)
LISTING = Listing((ImageGroup((ONE, TWO), Access.from_environ({})),))


def without_time(text: str) -> list[str]:
    return [each.partition(" ")[2] for each in text.splitlines()]


def test_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_view, "_INTERVAL", 0.0)
    view = Lines()
    for event in (
        ImagesListed(LISTING), ImageStarted(ONE, 1, 2), ImageEvent(ONE, CopyPlanned(DIGEST, (BLOB,), 4000, 1)),
        ImageEvent(ONE, BlobStarted(DIGEST, 4000, "layer")), ImageEvent(ONE, BlobProgress(DIGEST, 2048, 4000)),
        ImageEvent(None, Warned("careful")), ImageEvent(None, Retrying("reading", "reading: cut", 0.5)),
        ImageFinished(ImageResult(ONE, "copied", DIGEST, 4000)), ImageEvent(TWO, BlobProgress(DIGEST, 96, 4000)),
        LogMessage("error", "bad", (("ref", "x"),)),
    ):  # fmt: skip
        view.show(event)
    assert without_time(capsys.readouterr().err) == [
        'level=info msg="Copying image ref 1/2" from="docker://h/a:1" to="dir:out/a:1"',
        'level=info msg="0 of 2 images done, 2.0 KiB moved"',
        'level=warning msg="careful"',
        'level=warning msg="reading: failed, retrying in 0.5s. Error: cut"',
        'level=info msg="1 of 2 images done, 4.0 KiB moved"',
        'level=error msg="bad" ref=x',
    ]


def test_steps_of_one_image_are_together(capsys: pytest.CaptureFixture[str]) -> None:
    steps = ImageSteps()
    for image in (ONE, TWO):
        steps(ImageStarted(image, 1, 2))
        steps(ImageEvent(image, CopyPlanned(DIGEST, (BLOB,), 4000, 1 if image is ONE else 3)))
    for image in (TWO, ONE):
        steps(ImageEvent(image, BlobStarted(DIGEST, 4000, "layer")))
        steps(ImageEvent(image, ManifestWritten(DIGEST, 300, root=True)))
    assert capsys.readouterr().out == ""
    for image in (TWO, ONE):
        steps(ImageFinished(ImageResult(image, "copied", DIGEST)))
    steps(ImageFinished(ImageResult(SyncImage("docker://h/a:3", "dir:out/a:3"), "present", DIGEST)))
    steps(ImageFinished(ImageResult(SyncImage("docker://h/a:4", "dir:out/a:4"), "failed", error="x")))
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "Getting image list signatures", f"Copying blob {DIGEST}", "Writing manifest list to image destination",
        "Getting image source signatures", f"Copying blob {DIGEST}", "Writing manifest to image destination",
        "Getting image source signatures", "Skipping: image already present at destination",
    ]  # fmt: skip
    assert captured.err == ""


def test_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    console = Console(file=screen, force_terminal=True, width=100, highlight=False, soft_wrap=True)
    with Bars(console) as view:
        view.show(ImagesListed(LISTING))
        view.show(ImageStarted(ONE, 1, 2))
        view.show(ImageStarted(TWO, 2, 2))
        view.show(ImageEvent(ONE, CopyPlanned(DIGEST, (BLOB,), 4000, 1)))
        view.show(ImageEvent(TWO, CopyPlanned(DIGEST, (BLOB,), 4000, 1)))
        for image in (ONE, TWO):
            view.show(ImageEvent(image, BlobStarted(DIGEST, 4000, "layer")))
        view.show(ImageEvent(ONE, BlobProgress(DIGEST, 2048, 4000)))
        shown = _text(view)
        assert "dir:out/a:1" in shown
        assert shown.count("2.0 KiB") == 2  # of the image, and in the total
        view.show(ImageEvent(ONE, BlobFinished(DIGEST, 4000, Placement.WRITTEN)))
        view.show(ImageEvent(TWO, BlobFinished(DIGEST, 4000, Placement.PRESENT)))
        view.show(ImageFinished(ImageResult(ONE, "copied", DIGEST, 4000)))
        shown = _text(view)
        assert "dir:out/a:1" not in shown
        assert "1/2, 3.9 KiB" in shown
        view.show(ImageFinished(ImageResult(TWO, "present", DIGEST)))
        view.show(LogMessage("warning", "careful"))
        view.show(LogMessage("info", "Synced 2 images from 1 sources"))
    assert "careful" in screen.getvalue()
    assert "level=info" not in screen.getvalue()
    assert "INFO" not in screen.getvalue()


def test_an_image_that_waits_for_another_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    other = Digest.of(b"y")
    with Bars(Console(file=screen, force_terminal=True, width=100)) as view:
        for image in (ONE, TWO):
            view.show(ImageStarted(image, 1, 2))
            view.show(ImageEvent(image, CopyPlanned(DIGEST, (BLOB,), 4000, 1)))
            view.show(ImageEvent(image, BlobStarted(DIGEST, 4000, "layer")))
        view.show(ImageWaiting(TWO, 1))
        assert _text(view).count("waiting") == 1
        view.show(ImageEvent(TWO, BlobStarted(other, 10, "config")))
        assert "waiting" not in _text(view)  # another of its blobs is in transfer
        view.show(ImageEvent(TWO, BlobFinished(other, 10, Placement.WRITTEN)))
        assert _text(view).count("waiting") == 1
        view.show(ImageWaiting(TWO, 0))
        assert "waiting" not in _text(view)
        view.show(ImageFinished(ImageResult(TWO, "copied", DIGEST)))
        view.show(ImageWaiting(TWO, 0))


@pytest.mark.parametrize("width", [60, 80, 97, 104, 200])
def test_a_terminal_that_is_divided_in_two_near_its_top(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveRows, "_refresh_regularly", lambda _: None)
    there = Screen(width, 24)
    monkeypatch.setattr(sys, "stderr", there)
    images = tuple(SyncImage(f"docker://h/a:{n}", f"dir:a-long-directory/of-images/a:{n}") for n in range(8))
    with Bars(Console(file=there, force_terminal=True, color_system=None, highlight=False)) as view:
        monkeypatch.setattr(view.rows, "_size", lambda: (there.columns, there.height))
        view.show(ImagesListed(Listing((ImageGroup(images, Access.from_environ({})),))))
        for n, image in enumerate(images):
            view.show(ImageStarted(image, n, 8))
            view.show(ImageEvent(image, CopyPlanned(DIGEST, (BLOB,), 4000, 1)))
            view.show(ImageEvent(image, BlobProgress(DIGEST, 2000, 4000)))
        view.rows.refresh()
        assert [line.split()[0][-4:] for line in there.lines[1:]] == [f"/a:{n}" for n in range(8)]
        assert all("\u2501" in line and line.endswith("2.0 KiB") for line in there.lines[1:])
        for columns in (width // 2, width):
            there.resize(columns)
            view.rows.refresh()
            assert len(there.lines) == 9
    assert there.lines == []


def test_a_dry_run_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    with Bars(Console(file=screen, force_terminal=True, width=100)) as view:
        view.show(ImagesListed(LISTING))
        view.show(LogMessage("info", "Would have copied image ref 1/2"))
        view.show(ImageFinished(ImageResult(ONE, "planned")))
    assert "Would have copied image ref 1/2" in screen.getvalue()


def test_names_cannot_control_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    monkeypatch.setenv("TERM", "dumb")
    hostile = SyncImage("oci:x:\x9b31m", "dir:out/\u202e\x9b31m")
    with Bars(Console(file=screen, force_terminal=True, width=100, height=25)) as view:
        view.show(ImageStarted(hostile, 1, 1))
        view.rows.refresh()
    show_summary(SyncReport((ImageResult(hostile, "copied", DIGEST),), 1))
    assert not set("\x9b\u202e") & set(screen.getvalue())
    assert screen.getvalue().count("dir:out/\\u202e\\u009b31m") == 2


def _text(view: Bars) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(view._progress.get_renderable())
    return out.getvalue()


def test_events_are_handed_on(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[object] = []
    with viewing(seen.append) as report:
        report(LogMessage("info", "hello"))
    assert seen == [LogMessage("info", "hello")]
    assert "hello" in capsys.readouterr().err


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
