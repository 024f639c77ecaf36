"""Limits on bytes per second: what is moved when, who waits for whom, and that waiting can be cancelled."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter

import anyio
import pytest

from pyskopeo.http.rate_limit import DOCUMENT_SIZE, HostLimits, Pace, RateLimit, RateLimits
from pyskopeo.streams.cancellation import run_in_thread

MEGABYTE = 1_000_000


def run(limits: dict[str, tuple[RateLimit, ...]], seconds: float, *, late: float = 0.0) -> list[tuple[float, str, int]]:
    """Transfers that always have bytes, by name, on a clock of their own: when each moved how many.

    They wake up ``late`` seconds after their turn has begun.
    """
    moved: list[tuple[float, str, int]] = []
    waiting = [(0.0, name) for name in limits]
    while waiting:
        now, name = heapq.heappop(waiting)
        if now > seconds:
            continue
        count = HostLimits(limits[name]).turn
        for limit in limits[name]:
            if wait := limit.reserve(count, now):
                now += wait + late
        moved.append((now, name, count))
        heapq.heappush(waiting, (now, name))
    return [one for one in moved if one[0] <= seconds]


def totals(moved: list[tuple[float, str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for _, name, count in moved:
        found[name] += count
    return found


@pytest.mark.parametrize("late", [0.0, 0.003])
@pytest.mark.parametrize("rate", [1000, 500_000, 10 * MEGABYTE, 1000 * MEGABYTE])
@pytest.mark.parametrize("transfers", [1, 2, 24])
def test_the_limit_is_reached_and_not_exceeded(rate: int, transfers: int, late: float) -> None:
    limit = RateLimit(rate)
    moved = run({f"{number}": (limit,) for number in range(transfers)}, 10, late=late)
    sum_ = totals(moved).total()
    assert sum_ <= rate * 10.2
    assert sum_ >= rate * 9.8
    if rate <= 10 * MEGABYTE:  # at more than that, threads that are late may find no need to wait for a while
        assert max(totals(moved).values()) - min(totals(moved).values()) <= 2 * limit.turn


@pytest.mark.parametrize("rate", [500_000, 10 * MEGABYTE])
def test_there_is_no_burst(rate: int) -> None:
    """In no fifth of a second more than its share and what may be caught up at once, also after a pause."""
    limit = RateLimit(rate)
    moved = run({f"{number}": (limit,) for number in range(24)}, 3)
    moved += [(when + 13, name, count) for when, name, count in run_later(limit, 13.0)]
    for begin, _, _ in moved:
        window = sum(count for when, _, count in moved if begin <= when < begin + 0.2)
        assert window <= rate * 0.2 + rate * 0.1 + limit.turn


def run_later(limit: RateLimit, begin: float) -> list[tuple[float, str, int]]:
    """One transfer that begins after a time in which nothing was moved."""
    moved, now = [], begin
    while now < begin + 1:
        now += limit.reserve(limit.turn, now)
        moved.append((now - begin, "later", limit.turn))
    return moved


def test_a_host_has_its_share_and_leaves_the_rest_to_others() -> None:
    """``a`` is limited more than all together are; ``b`` gets what is left."""
    limits = RateLimits(total=3 * MEGABYTE, per_host=2 * MEGABYTE)
    a, b = limits.of_host("a"), limits.of_host("b")
    assert a is not None
    assert b is not None
    alone = totals(run({"a": a.limits}, 10))
    assert 1.95 * MEGABYTE <= alone["a"] / 10 <= 2.05 * MEGABYTE
    fresh = RateLimits(total=3 * MEGABYTE, per_host=2 * MEGABYTE)
    both = {name: found.limits for name in ("a", "b") if (found := fresh.of_host(name)) is not None}
    shares = totals(run(both, 10))
    assert 2.9 * MEGABYTE <= shares.total() / 10 <= 3.1 * MEGABYTE
    assert abs(shares["a"] - shares["b"]) <= 0.1 * MEGABYTE


def test_the_limit_of_a_host_is_the_same_for_all_its_transfers() -> None:
    limits = RateLimits(per_host=MEGABYTE)
    one, other, elsewhere = limits.of_host("a"), limits.of_host("a"), limits.of_host("b")
    assert one is not None
    assert other is not None
    assert elsewhere is not None
    assert one.limits == other.limits
    assert one.limits != elsewhere.limits


def test_without_limits_there_is_nothing_to_wait_for() -> None:
    assert RateLimits().of_host("a") is None


def test_documents_do_not_wait_for_transfers_but_transfers_for_documents() -> None:
    limit = RateLimit(MEGABYTE)
    run({f"{number}": (limit,) for number in range(50)}, 1.0)
    waiting = limit.reserve(limit.turn, 1.0)
    assert waiting > 0.5
    assert limit.reserve_first(16 * 1024, 1.0) == 0
    assert limit.reserve(limit.turn, 1.0) >= waiting + (limit.turn + 16 * 1024) / MEGABYTE - 1e-6


def test_documents_alone_are_limited_too() -> None:
    limit, now, moved = RateLimit(MEGABYTE), 0.0, 0
    while now < 10:
        now += limit.reserve_first(10_000, now)
        moved += 10_000
    assert 9.9 * MEGABYTE <= moved <= 10.4 * MEGABYTE


def test_what_was_reserved_and_not_moved_is_given_back() -> None:
    limit = RateLimit(MEGABYTE)
    limit.reserve(MEGABYTE, 100.0)
    limit.give_back(MEGABYTE // 2)
    assert limit.reserve(1, 100.0) == pytest.approx(0.4, abs=0.01)


def test_the_beginning_of_a_body_is_a_document() -> None:
    limit = RateLimit(10_000)
    pace = Pace(HostLimits((limit,)))
    assert pace.wait(1024) == 1024
    pace.moved(1000)
    assert pace.wait(5000) == 24, "what was allowed and not moved"
    pace.moved(24)
    assert pace._next_turn(MEGABYTE) == (DOCUMENT_SIZE - 1024, True)
    pace._total = DOCUMENT_SIZE
    assert pace._next_turn(MEGABYTE) == (limit.turn, False)
    pace.document = True
    assert pace._next_turn(MEGABYTE) == (DOCUMENT_SIZE, True)


@pytest.mark.anyio
async def test_a_pause_is_cancelled() -> None:
    pace = Pace(HostLimits((RateLimit(1),)))
    pace.charge(1000)
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        try:
            pace.wait(1000)
        finally:
            ended.set()

    started = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_in_thread, work)
        while not begun.is_set():
            await anyio.sleep(0.005)
        await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()
    assert ended.is_set()
    assert time.monotonic() - started < 60, "it would wait for a quarter of an hour"


@pytest.mark.anyio
async def test_in_the_event_loop_others_go_on_meanwhile() -> None:
    pace = Pace(HostLimits((RateLimit(10_000),)))
    await pace.wait_async(DOCUMENT_SIZE)
    pace.moved(DOCUMENT_SIZE)
    done: list[str] = []

    async def limited() -> None:
        pace.moved(await pace.wait_async(1))
        done.append("limited")

    async def other() -> None:
        await anyio.sleep(0)
        done.append("other")

    with anyio.move_on_after(0.1):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(limited)
            tasks.start_soon(other)
    assert done == ["other"]
