"""What a sync shows while it runs, in a pipe."""

from __future__ import annotations

import sys

import pytest

from pyskopeo.access import Access
from pyskopeo.cli import sync_view
from pyskopeo.cli.copy_result import CopyNames
from pyskopeo.cli.sync_view import ImageSteps, Lines, show_end, shows_bars, viewing
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import (
    BlobProgress,
    BlobStarted,
    CopyPlanned,
    ManifestWritten,
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
    Listing,
    LogMessage,
    SyncImage,
    SyncReport,
)
from tests.support.terminal import Terminal

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


@pytest.mark.parametrize(("name", "logged"), [("pyskopeo", False), ("skopeo", True)])
def test_a_terminal_that_cannot_redraw_has_no_log(name: str, logged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", there := Terminal())
    monkeypatch.setattr(sys, "argv", [name])
    view = Lines()
    for event in (
        LogMessage("info", "Getting tags", (("image", "h/a"),)), LogMessage("info", "hello"), ImageStarted(ONE, 1, 2),
        LogMessage("error", "bad"),
    ):  # fmt: skip
        view.show(event)
    lines = there.getvalue().splitlines()
    if logged:
        assert [line[:4] for line in lines] == ["INFO", "INFO", "INFO", "ERRO"]
    else:
        assert lines[:2] == ["hello", "docker://h/a:1 -> dir:out/a:1"]
        assert lines[2].endswith(" bad")
        assert len(lines) == 3


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


def test_quiet_is_not_mute(capsys: pytest.CaptureFixture[str]) -> None:
    with viewing("none", CopyNames("docker:a", "dir:b")) as show:
        for event in (
            LogMessage("info", "hello"), LogMessage("error", "bad"), ImageStarted(ONE, 1, 2), ImageEvent(ONE, Warned("odd")),
        ):  # fmt: skip
            show(event)
    show_end("none", SyncReport((), 1))
    assert without_time(capsys.readouterr().err) == ['level=error msg="bad"', 'level=warning msg="odd"']


@pytest.mark.parametrize(("mode", "columns", "bars"), [("auto", 80, True), ("auto", 0, False), ("bars", 0, True), ("plain", 80, False)])
def test_where_bars_are_shown(mode: str, columns: int, bars: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.cli.sync_view.has_cursor_control", lambda: columns > 0)
    assert shows_bars(mode) is bars


def test_bars_begin_with_what_is_copied_where(capsys: pytest.CaptureFixture[str]) -> None:
    with viewing("bars", CopyNames("docker:a", "dir:b")) as show:
        show(LogMessage("info", "hello"))
    show_end("bars", SyncReport((), 1, 0, 2.0))
    assert capsys.readouterr().err.splitlines() == [
        "docker:a -> dir:b", "hello", "0 images: 0 copied, 0 present; 0 B moved in 2s",
    ]  # fmt: skip


def test_events_are_handed_on(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[object] = []
    with viewing("auto", CopyNames("docker:a", "dir:b"), seen.append) as report:
        report(LogMessage("info", "hello"))
    assert seen == [LogMessage("info", "hello")]
    assert "hello" in capsys.readouterr().err
