"""What a sync shows while it runs, in a pipe."""

from __future__ import annotations

import pytest

from pyskopeo.access import Access
from pyskopeo.cli import sync_view
from pyskopeo.cli.copy_result import CopyNames
from pyskopeo.cli.sync_view import ImageSteps, Lines, viewing
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
)

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


def test_events_are_handed_on(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[object] = []
    with viewing("auto", CopyNames("docker:a", "dir:b"), seen.append) as report:
        report(LogMessage("info", "hello"))
    assert seen == [LogMessage("info", "hello")]
    assert "hello" in capsys.readouterr().err
