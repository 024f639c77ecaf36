"""Bounded concurrency: a coroutine per item, and workers on a queue."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio
import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.streams import concurrency
from pyskopeo.streams.concurrency import WorkQueue, each, ticking, work_off

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("run", [each, work_off])
@pytest.mark.parametrize(("number", "at_once", "most"), [(0, 3, 0), (1, 3, 1), (10, 1, 1), (10, 3, 3), (2, 8, 2)])
async def test_so_many_at_a_time(run: Callable[..., Awaitable[None]], number: int, at_once: int, most: int) -> None:
    running = highest = 0
    done: list[int] = []

    async def work(item: int) -> None:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await anyio.sleep(0.001)
        running -= 1
        done.append(item)

    await run(range(number), work, at_once=at_once)
    assert sorted(done) == list(range(number))
    assert highest == most


async def test_work_off_can_be_cancelled_where_nothing_waits() -> None:
    async def work(item: int) -> None:
        if item == 10:
            scope.cancel()
        assert item < 20

    with anyio.CancelScope() as scope:
        await work_off(range(10**9), work, at_once=3)
    assert scope.cancelled_caught


async def test_work_off_raises_the_first_failure_alone() -> None:
    async def work(item: int) -> None:
        await anyio.sleep(0 if item == 2 else 60)
        raise InvalidInput(f"{item} is no good")

    with anyio.fail_after(5), pytest.raises(InvalidInput, match="2 is no good"):
        await work_off(range(5), work, at_once=5)


async def test_the_first_failure_ends_the_rest() -> None:
    ended: list[int] = []

    async def work(item: int) -> None:
        try:
            await anyio.sleep(0 if item == 2 else 60)
        finally:
            ended.append(item)
        raise InvalidInput(f"{item} is no good")

    with anyio.fail_after(5), pytest.raises(InvalidInput, match="2 is no good"):
        await each(range(5), work, at_once=5)
    assert sorted(ended) == [0, 1, 2, 3, 4]


async def test_cancelled() -> None:
    ended = 0

    async def work(_: int) -> None:
        nonlocal ended
        try:
            await anyio.sleep(60)
        finally:
            ended += 1

    with anyio.move_on_after(0.05) as scope:
        await each(range(4), work, at_once=2)
    assert scope.cancelled_caught
    assert ended == 2


async def by_turns(
    items: Sequence[int], work: Callable[[int], Awaitable[None]], *, at_once: int, at_most: int | None = None
) -> None:
    """``at_once`` workers on a queue of ``items``, and up to ``at_most`` when the processors are idle."""
    queue = WorkQueue(items)

    async def worker(queue: WorkQueue[int]) -> None:
        for item in queue:
            await work(item)

    async with anyio.create_task_group() as tasks:
        for _ in range(min(at_once, len(items))):
            tasks.start_soon(worker, queue)
        if (more := min(at_most or 0, len(items)) - at_once) > 0:
            tasks.start_soon(queue.add_workers_when_idle, tasks, worker, more)


class Turns:
    """Work for a worker: what was begun, and how many were at it at a time; each waits for ``go``."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.running = self.highest = 0
        self.go = anyio.Event()

    async def work(self, item: int) -> None:
        self.begun.append(item)
        self.running += 1
        self.highest = max(self.highest, self.running)
        try:
            await self.go.wait()
        finally:
            self.running -= 1


def keep_busy(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Let this process seem to use ``share`` of the processors' time."""
    monkeypatch.setattr(concurrency, "processors", lambda: 4)
    monkeypatch.setattr(time, "process_time", lambda: time.monotonic() * 4 * share)


@pytest.mark.parametrize("at_most", [None, 1, 2])
@pytest.mark.parametrize("number", [0, 1, 2, 9])
async def test_in_turn(number: int, at_most: int | None) -> None:
    turns = Turns()
    turns.go.set()
    with anyio.fail_after(5):
        await by_turns(range(number), turns.work, at_once=2, at_most=at_most)
    assert turns.begun == list(range(number))
    assert turns.highest == min(2, number)


@pytest.mark.parametrize(("at_most", "most"), [(None, 2), (2, 2), (5, 5), (20, 9)])
async def test_more_at_a_time_while_the_processors_are_idle(
    at_most: int | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_busy(monkeypatch, 0.3)
    turns = Turns()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(by_turns, range(9), turns.work, at_once=2, at_most=at_most))
            while turns.running < most:
                await anyio.sleep(0.001)
            assert turns.begun == list(range(most))
            turns.go.set()
    assert turns.begun == list(range(9))
    assert turns.highest == most


async def test_no_more_at_a_time_while_the_processors_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_busy(monkeypatch, 0.6)
    monkeypatch.setattr(concurrency, "_PERIOD", 0.001)
    turns = Turns()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(by_turns, range(9), turns.work, at_once=2, at_most=6))
            await anyio.sleep(0.05)
            assert turns.running == 2
            keep_busy(monkeypatch, 0.1)
            while turns.running < 6:
                await anyio.sleep(0.001)
            turns.go.set()
    assert turns.highest == 6


async def test_one_idle_moment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """When work begins, there is little to do at first."""
    monkeypatch.setattr(concurrency, "processors", lambda: 4)
    monkeypatch.setattr(concurrency, "_PERIOD", 0.001)
    looked: list[float] = []

    def process_time() -> float:
        # Idle in every second moment: each is looked at when it begins and when it ends.
        looked.append((len(looked) + 1) // 4 * 1000.0)
        return looked[-1]

    monkeypatch.setattr(time, "process_time", process_time)
    turns = Turns()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(by_turns, range(9), turns.work, at_once=2, at_most=6))
            while len(looked) <= 20 and turns.highest <= 2:
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
    assert turns.highest == 2


async def test_nothing_is_watched_when_none_waits_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_busy(monkeypatch, 1.0)
    monkeypatch.setattr(concurrency, "_PERIOD", 60)
    turns = Turns()
    turns.go.set()
    with anyio.fail_after(5):
        await by_turns(range(4), turns.work, at_once=2, at_most=4)
    assert turns.begun == [0, 1, 2, 3]


async def test_a_failure_in_its_turn_ends_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_busy(monkeypatch, 1.0)
    begun: list[int] = []

    async def work(item: int) -> None:
        begun.append(item)
        if item == 2:
            raise InvalidInput(f"{item} is no good")
        await anyio.sleep(0 if item else 60)

    with anyio.fail_after(5), pytest.RaisesGroup(pytest.RaisesExc(InvalidInput, match="2 is no good")):
        await by_turns(range(5), work, at_once=2, at_most=4)
    assert begun == [0, 1, 2]


async def test_ticks_come_from_the_beginning_to_the_end() -> None:
    ticks: list[int] = []
    async with ticking(lambda: ticks.append(1), 0.001):
        while len(ticks) < 3:
            await anyio.sleep(0.001)
    before = len(ticks)
    await anyio.sleep(0.01)
    assert len(ticks) == before


async def test_an_error_of_what_is_done_meanwhile_comes_as_it_is() -> None:
    with pytest.raises(InvalidInput, match="^x$"):
        async with ticking(lambda: None, 60):
            raise InvalidInput("x")
