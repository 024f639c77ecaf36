"""``sync --watch``: one run after another in one process, with a line for each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..errors import PyskopeoError
from .log import emit_notice, log
from .quantities import quantity, size, span

if TYPE_CHECKING:
    from ..syncing.sync_request import SyncReport

_JITTER = 0.1
_LONGEST = 3600.0  # seconds, unless the interval is longer
_MOST_DOUBLINGS = 20


def next_wait(interval: float, failures: int, chance: float) -> float:
    """Return the seconds until the next run, after so many ``failures`` in succession.

    The interval is doubled with each failure but the first, up to an hour, and up to 10 % are added: ``chance`` is a
    random number from 0 to 1.
    """
    doubled = interval * 2.0 ** min(max(failures - 1, 0), _MOST_DOUBLINGS)
    return min(doubled, max(interval, _LONGEST)) * (1.0 + _JITTER * chance)


async def watch(
    run_once: Callable[[], Awaitable[tuple[SyncReport, PyskopeoError | None]]], interval: float, *, shows_lines: bool
) -> None:
    """Run again and again, ``interval`` seconds after the end of the run before, until cancelled.

    ``run_once`` returns the report and the error of a run. An error ends nothing, unless the first run could not list
    its source for a reason that will not pass: that is raised. ``shows_lines`` is whether a line is printed after each.
    """
    from anyio import sleep

    failures = number = 0
    while True:
        number += 1
        report, error = await run_once()
        failures = 0 if error is None else failures + 1
        if number == 1 and error is not None and _will_not_pass(error):
            raise error
        if error is not None:
            log("error", str(error))
        seconds = next_wait(interval, failures, int.from_bytes(os.urandom(2)) / 65536)
        if shows_lines:
            emit_notice(round_line(number, report, seconds, failed=error is not None))
        await sleep(seconds)


def _will_not_pass(error: PyskopeoError) -> bool:
    """Return whether an error is about what was asked for, and not about single images or the network."""
    from ..syncing.sync_request import SyncFailed

    return not error.temporary and not isinstance(error, SyncFailed)


def round_line(
    number: int, report: SyncReport, wait: float, *, failed: bool, now: Callable[[], datetime] = datetime.now
) -> str:
    """Return the line about a run: its number, its results, and when the next one begins."""
    counts = Counter(result.status for result in report.results)
    shown = ", ".join(f"{counts[status]} {status}" for status in ("copied", "present", "deleted", "obsolete", "failed",
                      "skipped", "planned") if counts[status] or status in ("copied", "present"))  # fmt: skip
    lists = f", {quantity(report.listing_failures, 'source')} not listed" if report.listing_failures else ""
    state = "failed" if failed else "done"
    at = now() + timedelta(seconds=wait)
    moment = at.strftime("%H:%M:%S" if at.date() == now().date() else "%Y-%m-%d %H:%M:%S")
    return (
        f"Run {number} {state} at {now():%H:%M:%S}: {shown}{lists}; {size(report.moved)} in "
        f"{span(report.seconds)}; next {moment}"
    )
