"""One run of ``sync`` after another."""

from __future__ import annotations

from datetime import datetime

import anyio
import pytest

from pyskopeo.cli.sync_watch import next_wait, round_line, watch
from pyskopeo.errors import ConnectionFailed, InvalidInput, NetworkError, PathNotFound, PyskopeoError
from pyskopeo.syncing.sync_request import ImageResult, SyncFailed, SyncImage, SyncReport

pytestmark = pytest.mark.anyio
REPORT = SyncReport((ImageResult(SyncImage("dir:a", "oci:b:a"), "copied", None, 2048),), 1, 1, 75.0)


@pytest.mark.parametrize(
    ("interval", "failures", "chance", "wait"),
    [
        (60.0, 0, 0.0, 60.0), (60.0, 0, 1.0, 66.0), (60.0, 1, 0.0, 60.0), (60.0, 2, 0.0, 120.0), (60.0, 4, 0.0, 480.0),
        (60.0, 1000, 0.0, 3600.0), (86400.0, 9, 0.5, 90720.0),
    ],
)  # fmt: skip
def test_failures_make_it_wait_longer(interval: float, failures: int, chance: float, wait: float) -> None:
    assert next_wait(interval, failures, chance) == pytest.approx(wait)


def test_the_line_about_a_run() -> None:
    def now() -> datetime:
        return datetime(2026, 5, 1, 23, 0, 0)  # noqa: DTZ001 - the time of this machine is meant

    assert round_line(3, REPORT, 600.0, failed=True, now=now) == (
        "Run 3 failed at 23:00:00: 1 copied, 0 present, 1 source not listed; 2.0 KiB in 1m15s; next 23:10:00"
    )
    assert round_line(4, SyncReport((), 0), 7200.0, failed=False, now=now) == (
        "Run 4 done at 23:00:00: 0 copied, 0 present; 0 B in 0s; next 2026-05-02 01:00:00"
    )


class EnoughError(Exception):
    pass


async def test_it_goes_on_after_failures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failed = SyncFailed("one image failed", report=REPORT)
    results: list[PyskopeoError | None] = [None, NetworkError("down"), InvalidInput("nothing there"), None, failed]
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def run_once() -> tuple[SyncReport, PyskopeoError | None]:
        if not results:
            raise EnoughError
        return REPORT, results.pop(0)

    monkeypatch.setattr(anyio, "sleep", sleep)
    with pytest.raises(EnoughError):
        await watch(run_once, 100.0, shows_lines=True)
    for found, least in zip(waits, (100.0, 100.0, 200.0, 100.0, 100.0), strict=True):
        assert least <= found <= least * 1.1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" at ")[0] for line in lines if line.startswith("Run ")] == [
        "Run 1 done", "Run 2 failed", "Run 3 failed", "Run 4 done", "Run 5 failed"
    ]  # fmt: skip
    assert any('level=error msg="down"' in line for line in lines)


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (InvalidInput("no such transport"), True),
        (PathNotFound("no such directory"), True),
        (ConnectionFailed("not up yet", host="h.example"), False),
        (SyncFailed("a source could not be listed", report=SyncReport((), 0)), False),
    ],
)
async def test_what_cannot_be_right_ends_the_first_run(
    error: PyskopeoError, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(seconds: float) -> None:
        raise EnoughError

    async def run_once() -> tuple[SyncReport, PyskopeoError | None]:
        return SyncReport((), 0), error

    monkeypatch.setattr(anyio, "sleep", sleep)
    with pytest.raises(type(error) if ends else EnoughError):
        await watch(run_once, 100.0, shows_lines=True)
