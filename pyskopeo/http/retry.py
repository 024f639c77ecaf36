"""When to try again, and after how long. Pure, but for the waiting."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from ..errors import PyskopeoError, RegistryError
from ..fast_dataclass import dataclass
from ..model.events import Report, Retrying

T = TypeVar("T")
_LONGEST_WAIT = 60.0
_LONGEST_RETRY_AFTER = 300.0


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently to repeat what failed for a passing reason.

    ``times`` is the number of repetitions after the first attempt. ``delay`` is the first wait in
    seconds; it doubles, with up to 10 % added at random so that many clients do not come back in
    step. A server's ``Retry-After`` is honoured up to five minutes.
    """

    times: int = 4
    delay: float = 0.5
    fixed: bool = False

    def wait(self, attempt: int, retry_after: float | None = None) -> float:
        """Seconds to wait after failed attempt number ``attempt`` (from 0)."""
        if retry_after is not None:
            return min(max(retry_after, 0.0), _LONGEST_RETRY_AFTER)
        grown = self.delay if self.fixed else self.delay * 2.0 ** min(attempt, 32)
        return min(grown, _LONGEST_WAIT) * (1.0 + int.from_bytes(os.urandom(2)) / 65536 * 0.1)

    async def run(self, attempt_once: Callable[[], Awaitable[T]], what: str, report: Report) -> T:
        """Call until it succeeds, fails for good, or the repetitions are used up."""
        attempt = 0
        while True:
            try:
                return await attempt_once()
            except PyskopeoError as error:
                if not error.temporary or attempt >= self.times:
                    raise
                await self.pause(error, attempt, what, report)
                attempt += 1

    async def pause(self, error: PyskopeoError, attempt: int, what: str, report: Report) -> None:
        """Say that ``what`` failed, and wait before the next attempt."""
        from anyio import sleep

        delay = self.wait(attempt, error.retry_after if isinstance(error, RegistryError) else None)
        report(Retrying(what, str(error), round(delay, 3)))
        await sleep(delay)


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """``Retry-After`` in seconds, from seconds or from a date (RFC 9110 section 10.2.3)."""
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(value)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return max((when - (now or datetime.now(UTC))).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):  # no date, or none that a calendar has
        return None
