"""Bars of one copy, on terminals of any width."""

from __future__ import annotations

import contextlib
import re

import pytest
from rich.console import Console

from pyskopeo.cli.copy_bars import Bars
from pyskopeo.cli.copy_result import CopyNames
from pyskopeo.cli.live_rows import LiveRows
from pyskopeo.cli.logged_events import warnings_only
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    CopyFinished,
    CopyPlanned,
    Placement,
    Retrying,
    Warned,
)
from tests.support.copy_events import CONFIG, EVENTS, GZIP, MIB, A, B, C
from tests.support.terminal import Screen, Terminal, screen, terminal

NAMES = CopyNames("docker://quay.io/team/app:1.4", "oci:app:1.4")


class Clock:
    """A clock of the test's own."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    there = Clock()
    monkeypatch.setattr("pyskopeo.cli.throughput.time.monotonic", lambda: there.now)
    return there


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars that are drawn when a test says so, and at no other time."""
    monkeypatch.setattr(LiveRows, "_refresh_regularly", lambda _: None)


def made(console: Console, names: CopyNames | None = NAMES) -> Bars:
    return Bars(warnings_only, names, console)


def test_bars_show_each_blob_and_the_total() -> None:
    console, out = terminal(120)
    with made(console) as bars:
        for event in EVENTS[:5]:
            bars(event)
        bars.rows.refresh()
        shown = screen(out.getvalue())
    header, converted, total, numbers, blob, config = shown
    assert header == "docker://quay.io/team/app:1.4 -> oci:app:1.4"
    assert converted == f"Converting {A} for the destination: its digest becomes {C}"
    assert re.fullmatch(r"Total +━+╸? +24%  0 of 2 blobs", total)
    assert numbers.strip() == "10.0 of 40.0 MiB"
    assert re.fullmatch(rf"{A.short}  ━+╸? +10\.0 of 40\.0 MiB", blob)
    assert re.fullmatch(rf"{B.short} +  0 of 512 B", config)


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (80, " 50%  0 of 1 blob|"),
        (200, " 50%    20.0 of 40.0 MiB    5.0 MiB/s  0 of 1 blob     4s left|"),
    ],
)
def test_the_total_has_speed_and_time_left(width: int, row: str, clock: Clock) -> None:
    console, out = terminal(width)
    with made(console) as bars:
        bars(CopyPlanned(C, (Descriptor(GZIP, A, 40 * MIB),), 40 * MIB, 1))
        bars(BlobStarted(A, 40 * MIB, "layer"))
        for second in range(1, 5):
            clock.now += 1
            bars(BlobProgress(A, second * 5 * MIB, 40 * MIB))
        bars.rows.refresh()
        total, *others = screen(out.getvalue())[1:]
    assert f"{total}|".endswith(row)
    assert re.match(r"Total {9}━+", total)
    if width < 200:
        assert others.pop(0).strip() == "20.0 of 40.0 MiB  5.0 MiB/s  4s left"
    (blob,) = others
    if width == 200:  # the bars begin and end in the same columns
        assert re.search("━+╸?", blob).span() == re.search("━+╸?", total).span()  # type: ignore[union-attr] # both have one
        assert blob.split()[-2:] == ["5.0", "MiB/s"]


@pytest.mark.parametrize("width", [60, 80, 100, 119, 120, 160, 200])
def test_a_terminal_that_is_divided_in_two_near_its_top(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tmux scrolls away then cannot be erased. Rows that it breaks in two take the place of others."""
    there = Screen(width, 24)
    there.write("$ pyskopeo copy\n")
    blobs = [Descriptor(GZIP, Digest.of(b"%d" % number), 40 * MIB) for number in range(6)]
    with made(Console(file=there, force_terminal=True, color_system=None, highlight=False)) as bars:
        monkeypatch.setattr(bars.rows, "_size", lambda: (there.columns, there.height))
        bars(CopyPlanned(C, tuple(blobs), 240 * MIB, 1))
        for blob in blobs:
            bars(BlobStarted(blob.digest, blob.size, "layer"))
            bars(BlobProgress(blob.digest, 1 * MIB, blob.size))
        bars.rows.refresh()
        assert len(there.lines) == (10 if bars.rows.width < 84 else 9)
        there.resize(width // 2)
        bars.rows.refresh()
        there.resize(width)
        bars.rows.refresh()
        assert len(there.lines) == 10
        bars(CopyFinished(C, 1, 1.0))
    assert there.lines[:2] == ["$ pyskopeo copy", "docker://quay.io/team/app:1.4 -> oci:app:1.4"]
    assert "".join(there.lines[2:]).replace(" ", "") == f"Wroteoci:app:1.4{C}noblobsin1.0s(1B/s)"


def test_bars_leave_only_their_results_on_the_screen() -> None:
    console, out = terminal(100)
    with made(console) as bars:
        for event in (one for one in EVENTS if not isinstance(one, Warned | Retrying)):
            bars(event)
    assert screen(out.getvalue()) == [
        "docker://quay.io/team/app:1.4 -> oci:app:1.4",
        f"Converting {A} for the destination: its digest becomes {C}",
        f"Wrote oci:app:1.4 {C}",
        "2 blobs: 1 copied (40.0 MiB), 1 present (512 B) in 12.3s (3.2 MiB/s)",
    ]


def test_what_is_there_already_counts_neither_as_moved_nor_as_to_be_moved() -> None:
    console, out = terminal(100)
    with made(console) as bars:
        bars(CopyPlanned(C, (Descriptor(GZIP, A, 30 * MIB), Descriptor(GZIP, B, 10 * MIB)), 40 * MIB, 1))
        bars(BlobStarted(A, 30 * MIB, "layer"))
        bars(BlobFinished(A, 30 * MIB, Placement.PRESENT))
        bars(BlobStarted(B, 10 * MIB, "layer"))
        bars(BlobProgress(B, 5 * MIB, 10 * MIB))
        bars.rows.refresh()
        _, total, numbers, _ = screen(out.getvalue())
    assert total.endswith(" 50%  1 of 2 blobs")
    assert numbers.strip() == "5.0 of 10.0 MiB"


def test_what_an_interrupted_run_has_brought_counts_as_there_and_not_as_speed(clock: Clock) -> None:
    """It is read back much faster than the rest comes."""
    console, out = terminal(120)
    with made(console) as bars:
        bars(CopyPlanned(C, (Descriptor(GZIP, A, 100 * MIB),), 100 * MIB, 1))
        bars(BlobStarted(A, 100 * MIB, "layer"))
        for done in (20, 40, 60, 80, 81, 82, 83, 84):
            clock.now += 0.5
            bars(BlobProgress(A, done * MIB, 100 * MIB, kept=80 * MIB))
        bars.rows.refresh()
        _, total, numbers, blob = screen(out.getvalue())
    assert total.endswith(" 84%  0 of 1 blob")
    assert numbers.strip() == "84.0 of 100.0 MiB  1.0 MiB/s  16s left"
    assert blob.endswith("1.0 MiB/s")


@pytest.mark.parametrize("width", [40, 50, 59, 60, 74, 75, 80, 120, 173, 174, 200])
@pytest.mark.parametrize("scale", [1, 100, 30_000], ids=str)
def test_bars_fit(width: int, scale: int, clock: Clock) -> None:
    console, out = terminal(width)
    total = 40 * MIB * scale
    with made(console, None) as bars:
        bars(CopyPlanned(C, (Descriptor(GZIP, A, total), Descriptor(CONFIG, B, 512)), total + 512, 1))
        bars(BlobStarted(A, total, "layer"))
        bars(BlobStarted(B, 512, "config"))
        clock.now += 2
        bars(BlobProgress(A, total // 3 + 7, total))
        bars.rows.refresh()
        shown = screen(out.getvalue())
    assert len(shown) == (3 if width >= 174 else 4)
    assert max(map(len, shown)) <= max(width // 2, 60) - 3
    assert max(map(len, shown)) <= width - 3  # and room for the ^C that a terminal shows
    assert "iB" in shown[0] + shown[1]
    assert all("%" in line or " B" in line or "iB" in line for line in shown)


def test_a_copy_that_does_not_come_to_its_end_says_how_far_it_came() -> None:
    console, out = terminal(80)
    with contextlib.suppress(KeyboardInterrupt), made(console) as bars:
        for event in EVENTS[:5]:
            bars(event)
        raise KeyboardInterrupt
    assert screen(out.getvalue())[-1] == "Stopped at 24%: 0 of 2 blobs, 10.0 of 40.0 MiB"
    with contextlib.suppress(KeyboardInterrupt), made(console, None):
        raise KeyboardInterrupt  # before there is a plan
    assert screen(out.getvalue())[-1].startswith("Stopped at 24%")


def test_warnings_stand_above_the_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    console, out = terminal(80)
    monkeypatch.setattr("sys.stderr", Terminal())
    with made(console) as bars:
        for event in EVENTS[:7]:
            bars(event)
            bars.rows.refresh()
        shown = screen(out.getvalue())
    assert [re.sub(r"^WARN\[\d+\] ", "", line) for line in shown[2:4]] == [
        "reading blob: failed, retrying in 1.2s. Error: cut",
        "something odd",
    ]
    assert [line.split()[0] for line in shown[4:]] == ["Total", "10.0", A.short, B.short]
    assert screen(out.getvalue())[:4] == shown[:4]  # and stay there


def test_a_warning_before_there_is_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    console, out = terminal(80)
    with made(console, None) as bars:
        bars(Warned("a helper failed"))
    assert screen(out.getvalue()) == []
    assert capsys.readouterr().err.endswith('level=warning msg="a helper failed"\n')


def test_names_cannot_control_the_terminal() -> None:
    console, out = terminal(80)
    with made(console, CopyNames("oci:x:\x9b31m", "dir:\u202e")) as bars:
        bars(CopyFinished(C, 0, 0.1))
    assert screen(out.getvalue()) == ["oci:x:\\u009b31m -> dir:\\u202e", f"Wrote dir:\\u202e {C}", "no blobs in 0.1s"]
