"""When to try again, and after how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import (
    AccessDenied,
    ConnectionFailed,
    ContentMismatch,
    NotFound,
    PyskopeoError,
    RegistryError,
    Stalled,
    UnsafeAddress,
)
from pyskopeo.http.retry import Retry
from pyskopeo.http.retry_after import parse_retry_after
from pyskopeo.model.events import Event, Retrying

NOW = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 5000, 1e9),
        ("1e9", 1e9),
        ("1E+400", 1e9),
        ("1.5", 1.5),
        ("-1", None),
        ("nan", None),
        ("1e", None),
        ("0x10", None),
        ("\u0663", None),
        ("soon", None),
        ("Sat, 03 Feb 2024 04:05:36 GMT", 30.0),
        ("Saturday, 03-Feb-24 04:05:36 GMT", 30.0),
        ("Sat, 03 Feb 2024 05:05:36 +0100", 30.0),
        ("Sat, 03 Feb 2024 04:05:36 -0000", 30.0),
        ("Sat, 03 Feb 2024 04:04:00 GMT", 0.0),
        ("Sat, 03 Feb 99999999999 04:05:36 GMT", None),
        ("Sat, 03 Feb 2024 04:05:36 +99999999999999999999", None),
        ("Sat, 99 Feb 2024 04:05:36 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    found = parse_retry_after(value, NOW)
    if value == "Fri, 31 Dec 9999 23:59:59 -2359":
        assert found is None or found > 1e9  # a moment that Python can just not express in UTC
    else:
        assert found == expected


def test_retry_after_is_counted_from_now() -> None:
    found = parse_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True))
    assert found is not None
    assert 55 < found <= 60


@given(st.text())
def test_retry_after_never_fails(value: str) -> None:
    found = parse_retry_after(value)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("retry", "attempt", "retry_after", "least", "most"),
    [
        (Retry(delay=0.5), 0, None, 0.5, 0.55),
        (Retry(delay=0.5), 1, None, 1.0, 1.1),
        (Retry(delay=0.5), 3, None, 4.0, 4.4),
        (Retry(delay=0.5), 20, None, 60.0, 66.0),
        (Retry(delay=0.5), 10_000, None, 60.0, 66.0),
        (Retry(delay=2.0, fixed=True), 5, None, 2.0, 2.2),
        (Retry(delay=0.0), 3, None, 0.0, 0.0),
        (Retry(delay=0.5), 3, 7.0, 7.0, 7.0),
        (Retry(delay=0.5), 3, 0.0, 0.0, 0.0),
        (Retry(delay=0.5), 0, -3.0, 0.0, 0.0),
        (Retry(delay=0.5), 0, 300.0, 300.0, 300.0),
        (Retry(delay=0.5, max_retry_after=600.0), 0, 500.0, 500.0, 500.0),
    ],
)
def test_waits(retry: Retry, attempt: int, retry_after: float | None, least: float, most: float) -> None:
    for _ in range(20):
        assert least <= retry.wait(attempt, retry_after) <= most


def test_waits_differ() -> None:
    assert len({Retry(delay=1.0).wait(0) for _ in range(20)}) > 1


class Work:
    """Fails with each of ``errors`` in turn, then answers."""

    def __init__(self, *errors: PyskopeoError) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.events: list[Event] = []

    async def once(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def run(self, retry: Retry) -> str:
        return await retry.run(self.once, "doing it", self.events.append)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed("x"),
        Stalled("x"),
        *(RegistryError("x", status=status) for status in (408, 425, 429, 500, 502, 503, 504, 522)),
    ],
    ids=lambda error: f"{type(error).__name__}-{getattr(error, 'status', '')}",
)
async def test_passing_failures_are_repeated(error: PyskopeoError) -> None:
    work = Work(error, error)
    assert await work.run(Retry(delay=0.001)) == "done"
    assert work.calls == 3
    first, second = work.events
    assert isinstance(first, Retrying)
    assert isinstance(second, Retrying)
    assert (first.what, first.reason) == ("doing it", "x")
    assert first.delay <= second.delay


@pytest.mark.anyio
@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed("x", temporary=False),
        NotFound("x"),
        ContentMismatch("x", expected="a", actual="b"),
        UnsafeAddress("x"),
        AccessDenied("x", status=401),
        *(RegistryError("x", status=status) for status in (400, 404, 405, 410)),
    ],
    ids=lambda error: f"{type(error).__name__}-{getattr(error, 'status', '')}",
)
async def test_final_failures_are_not_repeated(error: PyskopeoError) -> None:
    work = Work(error)
    with pytest.raises(type(error)):
        await work.run(Retry(delay=0.001))
    assert (work.calls, work.events) == (1, [])


@pytest.mark.anyio
@pytest.mark.parametrize("times", [0, 1, 4])
async def test_the_last_failure_is_told(times: int) -> None:
    work = Work(*(ConnectionFailed(str(number)) for number in range(10)))
    with pytest.raises(ConnectionFailed, match=f"^{times}$"):
        await work.run(Retry(times=times, delay=0.001))
    assert work.calls == times + 1
    assert len(work.events) == times


@pytest.mark.anyio
async def test_what_a_server_asks_for_is_honoured() -> None:
    work = Work(RegistryError("x", status=429, retry_after=0.25))
    started = anyio.current_time()
    await work.run(Retry(delay=0.001))
    assert anyio.current_time() - started >= 0.25
    (event,) = work.events
    assert isinstance(event, Retrying)
    assert event.delay == 0.25


@pytest.mark.anyio
@pytest.mark.parametrize("seconds", [300.5, 1e9])
async def test_a_wait_that_is_too_long_is_an_error(seconds: float) -> None:
    retry = Retry(delay=0.001)
    error = retry.check_wait(RegistryError("x: too many requests", status=429, retry_after=seconds))
    work = Work(error)
    said = "^x: too many requests; the server asks to wait [0-9]+ s before a retry, longer than 300 s .--max-retry-after.$"
    with pytest.raises(RegistryError, match=said):
        await work.run(retry)
    assert (work.calls, work.events) == (1, [])


@pytest.mark.parametrize(
    "error",
    [
        RegistryError("x", status=429, retry_after=300.0),
        RegistryError("x", status=503),
        RegistryError("x", status=400, retry_after=1e9),
        ConnectionFailed("x"),
    ],
)
def test_other_waits_are_no_errors(error: PyskopeoError) -> None:
    assert Retry().check_wait(error) is error
    assert (str(error), error.retried) == ("x", False)
