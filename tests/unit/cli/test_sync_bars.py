"""Bars of many images on a terminal."""

from __future__ import annotations

import contextlib
import sys

import pytest
from rich.console import Console

from pyskopeo.access import Access
from pyskopeo.cli.copy_result import CopyNames
from pyskopeo.cli.live_rows import LiveRows
from pyskopeo.cli.sync_bars import Bars
from pyskopeo.cli.sync_summary import show_summary
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import BlobFinished, BlobProgress, BlobStarted, CopyPlanned, Placement
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
    SyncEvent,
    SyncImage,
    SyncReport,
)
from tests.support.terminal import Screen, Terminal, screen, terminal

ONE = SyncImage("docker://h/a:1", "dir:out/a:1")
TWO = SyncImage("docker://h/a:2", "dir:out/a:2")
DIGEST, OTHER = Digest.of(b"x"), Digest.of(b"y")
NAMES = CopyNames("docker:h/a", "dir:out")
HEADER = "docker:h/a -> dir:out"
BLOB = Descriptor("t", DIGEST, 4000)


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars that are drawn when a test says so, and at no other time."""
    monkeypatch.setattr(LiveRows, "_refresh_regularly", lambda _: None)


def listed(*images: SyncImage) -> ImagesListed:
    return ImagesListed(Listing((ImageGroup(images, Access.from_environ({})),)))


class Shown:
    """Bars on a terminal of so many columns."""

    def __init__(self, columns: int) -> None:
        console, self.out = terminal(columns)
        self.view = Bars(NAMES, console)

    def after(self, *events: SyncEvent) -> list[str]:
        """What is on the screen after some events."""
        for event in events:
            self.view.show(event)
        self.view.rows.refresh()
        return self.rows

    @property
    def rows(self) -> list[str]:
        """What is on the screen besides the header."""
        header, *rows = screen(self.out.getvalue())
        assert header == HEADER
        return rows


def started(image: SyncImage, *blobs: Descriptor) -> list[SyncEvent]:
    plan = CopyPlanned(DIGEST, blobs, sum(blob.size for blob in blobs), 1)
    return [ImageStarted(image, 1, 2), ImageEvent(image, plan), *begun(image, *blobs)]


def begun(image: SyncImage, *blobs: Descriptor) -> list[SyncEvent]:
    return [ImageEvent(image, BlobStarted(blob.digest, blob.size, "layer")) for blob in blobs]


def done(image: SyncImage, blob: Descriptor, placement: Placement) -> SyncEvent:
    return ImageEvent(image, BlobFinished(blob.digest, blob.size, placement))


def test_a_run() -> None:
    own = Descriptor("t", OTHER, 6000)
    shown = Shown(120)
    with shown.view:
        assert shown.after() == ["Listing images"]
        assert shown.after(listed(ONE, TWO), LogMessage("info", "Getting tags", (("image", "h/a"),))) == []
        total, numbers, one = shown.after(*started(ONE, BLOB), ImageEvent(ONE, BlobProgress(DIGEST, 2048, 4000)))
        assert total.split()[0] == "Images"
        assert total.endswith(" 25%  0 of 2 images")  # the other one is taken to be as large
        assert numbers.strip() == "2.0 of ~7.8 KiB"
        assert one.startswith("dir:out/a:1  ━━━")
        assert one.endswith(" 2.0 of 3.9 KiB")
        # The other one has the same blob, which is not moved twice, and one more.
        total, numbers, _, two = shown.after(*started(TWO, BLOB, own), ImageWaiting(TWO, 2))
        assert total.endswith(" 20%  0 of 2 images")
        assert numbers.strip() == "2.0 of 9.8 KiB"
        assert two.split()[0] == "dir:out/a:2"
        assert two.endswith(" waiting")
        total, numbers, two = shown.after(
            done(ONE, BLOB, Placement.WRITTEN), ImageFinished(ImageResult(ONE, "copied", DIGEST, 4000)),
            ImageWaiting(TWO, 0), done(TWO, BLOB, Placement.LINKED),
        )  # fmt: skip
        assert total.endswith(" 40%  1 of 2 images")
        assert numbers.strip() == "3.9 of 9.8 KiB"
        assert two.endswith(" 0.0 of 5.9 KiB")
        rows = shown.after(
            done(TWO, own, Placement.WRITTEN), ImageFinished(ImageResult(TWO, "copied", DIGEST, 6000)),
            LogMessage("info", "Synced 2 images from 1 sources"),
        )  # fmt: skip
        assert [row.split()[-5:] for row in rows] == [["100%", "2", "of", "2", "images"], ["9.8", "of", "9.8", "KiB"]]
    assert shown.rows == []


def test_a_run_that_does_not_come_to_its_end_says_how_far_it_came() -> None:
    shown = Shown(80)
    with contextlib.suppress(KeyboardInterrupt), shown.view:
        shown.after(listed(ONE, TWO), *started(ONE, BLOB), ImageEvent(ONE, BlobProgress(DIGEST, 2048, 4000)))
        raise KeyboardInterrupt
    assert shown.rows == ["Stopped at 25%: 0 of 2 images, 2.0 of 7.8 KiB"]


def test_images_that_are_there_are_no_bytes() -> None:
    shown = Shown(120)
    with shown.view:
        rows = shown.after(
            listed(ONE, TWO), ImageStarted(ONE, 1, 2), ImageStarted(TWO, 2, 2),
            ImageFinished(ImageResult(ONE, "present", DIGEST)), ImageFinished(ImageResult(TWO, "present", DIGEST)),
        )  # fmt: skip
    assert rows[0].endswith("100%  2 of 2 images")


def test_a_blob_that_is_written_twice_counts_twice() -> None:
    shown = Shown(120)
    with shown.view:
        shown.after(listed(ONE, TWO), *started(ONE, BLOB), *started(TWO, BLOB))
        rows = shown.after(done(ONE, BLOB, Placement.WRITTEN), done(TWO, BLOB, Placement.WRITTEN))
        assert rows[1].strip() == "7.8 of 7.8 KiB"


def test_an_image_that_waits_for_another_says_so() -> None:
    config = Descriptor("t", OTHER, 10)
    shown = Shown(100)
    with shown.view:
        rows = shown.after(listed(ONE, TWO), *started(ONE, BLOB), *started(TWO, BLOB), ImageWaiting(TWO, 1))
        assert [row.endswith("waiting") for row in rows] == [False, False, False, True]
        assert "waiting" not in shown.after(*begun(TWO, config))[-1]  # another of its blobs is in transfer
        assert shown.after(done(TWO, config, Placement.WRITTEN))[-1].endswith("waiting")
        assert "waiting" not in shown.after(ImageWaiting(TWO, 0))[-1]
        assert len(shown.after(ImageFinished(ImageResult(TWO, "copied", DIGEST)), ImageWaiting(TWO, 0))) == 3


@pytest.mark.parametrize("width", [60, 80, 97, 104, 120, 160, 200])
def test_a_terminal_that_is_divided_in_two_near_its_top(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Screen(width, 24)
    there.write("$ pyskopeo sync\n")
    images = tuple(SyncImage(f"docker://h/a:{n}", f"dir:a-long-directory/of-images/a:{n}") for n in range(8))
    with Bars(NAMES, Console(file=there, force_terminal=True, color_system=None, highlight=False)) as view:
        monkeypatch.setattr(view.rows, "_size", lambda: (there.columns, there.height))
        view.show(listed(*images))
        for n, image in enumerate(images):
            view.show(ImageStarted(image, n, 8))
            view.show(ImageEvent(image, CopyPlanned(DIGEST, (BLOB,), 4000, 1)))
            view.show(ImageEvent(image, BlobProgress(DIGEST, 2000, 4000)))
        view.rows.refresh()
        rows = there.lines[-8:]
        assert [line.split()[0][-3:] for line in rows] == [f"a:{n}" for n in range(8)]
        assert all("━" in line and "2.0 " in line for line in rows)
        for columns in (width // 2, width):
            there.resize(columns)
            view.rows.refresh()
            assert len(there.lines) == (12 if view.rows.width < 84 or columns < width else 11)
    assert there.lines == ["$ pyskopeo sync", HEADER]


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (200, ["docker://mirror.example.com/hub/nginx:1.27", "docker://mirror.example.com/hub/redis:7   "]),
        (120, ["nginx:1.27", "redis:7   "]),  # without what all names begin with
        (60, ["nginx:1.27", "redis:7   "]),
    ],
)
def test_names_that_are_too_long(columns: int, names: list[str]) -> None:
    images = [SyncImage("docker://h/a", name.strip()) for name in
              ("docker://mirror.example.com/hub/nginx:1.27", "docker://mirror.example.com/hub/redis:7")]  # fmt: skip
    shown = Shown(columns)
    with shown.view:
        rows = shown.after(listed(*images), *(event for image in images for event in started(image, BLOB)))
    assert [row[: len(name)] for row, name in zip(rows[-2:], names, strict=True)] == names


def test_a_dry_run_on_a_terminal() -> None:
    shown = Shown(100)
    with shown.view:
        rows = shown.after(
            listed(ONE, TWO), LogMessage("info", "Would have copied image ref 1/2", (("from", "x"),)),
            ImageFinished(ImageResult(ONE, "planned")),
        )  # fmt: skip
    assert rows == ["docker://h/a:1 -> dir:out/a:1"]


def test_messages_stand_above_the_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    shown = Shown(100)
    with shown.view:
        rows = shown.after(
            LogMessage("info", "3 lists of referrers are not copied as images"), listed(ONE),
            LogMessage("warning", "careful"), *started(ONE, BLOB), LogMessage("error", "bad", (("ref", "x"),)),
        )  # fmt: skip
    assert rows[0] == "3 lists of referrers are not copied as images"
    assert rows[1].startswith("WARN")
    assert rows[1].endswith(" careful")
    assert rows[2].startswith("ERRO")
    assert rows[2].split()[1:] == ["bad", "ref=x"]
    assert rows[3].startswith("Images")


def test_names_cannot_control_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", there := Terminal())
    monkeypatch.setenv("TERM", "dumb")
    hostile = SyncImage("oci:x:\x9b31m", "dir:out/\u202e\x9b31m")
    with Bars(NAMES, Console(file=there, force_terminal=True, width=100, height=25)) as view:
        view.show(ImageStarted(hostile, 1, 1))
        view.rows.refresh()
    show_summary(SyncReport((ImageResult(hostile, "copied", DIGEST),), 1))
    assert not set("\x9b\u202e") & set(there.getvalue())
    assert there.getvalue().count("dir:out/\\u202e\\u009b31m") == 2
