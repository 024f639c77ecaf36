"""Items are taken as if they were read one after the other, whatever is read ahead."""

from __future__ import annotations

import time

import anyio
import pytest

from pyskopeo.errors import InvalidContent, TooLarge
from pyskopeo.filesystem import read_ahead
from pyskopeo.filesystem.read_ahead import read_in_order

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processors, one of which is busy."""
    monkeypatch.setattr(read_ahead, "processors", lambda: 2)
    monkeypatch.setattr(read_ahead, "_BUSY_SHARE", 0)
    monkeypatch.setattr(read_ahead, "_PERIOD", 0.001)


class Reader:
    """Reads numbers, each when its event is set. ``last`` is the last one needed."""

    def __init__(self, count: int, *, last: int, worth: bool = True) -> None:
        self.may_end = [anyio.Event() for _ in range(count)]
        self.begun = [anyio.Event() for _ in range(count)]
        self.errors: dict[int, list[Exception]] = {}
        self.last, self.worth = last, worth
        self.taken: list[int] = []
        self.discarded: list[int] = []
        self.times_read = [0] * count
        self.running = self.most = 0

    async def read(self, item: int) -> None:
        self.times_read[item] += 1
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun[item].set()
        try:
            await self.may_end[item].wait()
            if self.errors.get(item):
                raise self.errors[item].pop()
        finally:
            self.running -= 1

    def take(self, item: int) -> bool:
        assert self.may_end[item].is_set()
        self.taken.append(item)
        return item == self.last

    def worth_reading_ahead(self, item: int, following: int) -> bool:
        assert following == item + 1
        return self.worth

    def discard(self, item: int) -> None:
        self.discarded.append(item)

    def let_end(self, *items: int) -> None:
        for item in items:
            self.may_end[item].set()


async def test_the_next_one_is_read_meanwhile() -> None:
    reader = Reader(4, last=3)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_in_order, range(4), reader)
            await reader.begun[1].wait()
            reader.let_end(1)  # before the first
            await anyio.sleep(0.01)
            assert reader.taken == []
            assert not reader.begun[2].is_set()
            reader.let_end(0)
            await reader.begun[3].wait()
            assert reader.taken == [0, 1]
            reader.let_end(2, 3)
    assert reader.taken == [0, 1, 2, 3]
    assert reader.times_read == [1, 1, 1, 1]
    assert reader.discarded == []
    assert reader.most == 2


async def test_what_is_not_needed_is_stopped_and_forgotten() -> None:
    reader = Reader(4, last=0)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_in_order, range(4), reader)
            await reader.begun[1].wait()
            reader.let_end(0)
    assert (reader.taken, reader.discarded, reader.running) == ([0], [1], 0)
    assert reader.times_read == [1, 1, 0, 0]


async def test_an_error_of_what_is_not_needed_is_none() -> None:
    reader = Reader(2, last=0)
    reader.errors[1] = [InvalidContent("not needed")]
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_in_order, range(2), reader)
            await reader.begun[1].wait()
            reader.let_end(1)
            await anyio.sleep(0.01)
            reader.let_end(0)
    assert (reader.taken, reader.discarded) == ([0], [1])


@pytest.mark.parametrize("first_fails", [True, False])
async def test_the_error_of_the_first_that_is_needed_is_raised(first_fails: bool) -> None:
    reader = Reader(3, last=2)
    reader.errors[1] = [InvalidContent("the second")]
    if first_fails:
        reader.errors[0] = [InvalidContent("the first")]

    async def end() -> None:
        await reader.begun[1].wait()
        reader.let_end(1)
        await anyio.sleep(0.01)
        reader.let_end(0)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end)
            with pytest.raises(InvalidContent, match="the first" if first_fails else "the second"):
                await read_in_order(range(3), reader)
    assert reader.running == 0
    assert reader.taken == ([] if first_fails else [0])


@pytest.mark.parametrize("failing", [0, 1])
async def test_limits_are_for_what_is_needed_only(failing: int) -> None:
    """The other one may have used up what was allowed."""
    reader = Reader(2, last=1)
    reader.errors[failing] = [TooLarge("both together", limit=1)]
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_in_order, range(2), reader)
            await reader.begun[1].wait()
            reader.let_end(1, 0)
    assert reader.taken == [0, 1]
    assert reader.times_read[failing] == 2
    assert failing in reader.discarded


async def test_what_is_too_large_alone_is_refused() -> None:
    reader = Reader(2, last=1)
    reader.errors[0] = [TooLarge("too large", limit=1), TooLarge("for both", limit=1)]

    async def end() -> None:
        await reader.begun[1].wait()
        reader.let_end(0)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end)
            with pytest.raises(TooLarge, match="too large"):
                await read_in_order(range(2), reader)
    assert reader.taken == []


async def test_what_is_probably_not_needed_is_stopped_before_that_is_known() -> None:
    reader = Reader(2, last=1)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_in_order, range(2), reader)
            await reader.begun[1].wait()
            reader.worth = False
            while reader.running == 2:
                await anyio.sleep(0.001)
            assert reader.discarded == [1]
            reader.let_end(0, 1)  # it is needed nevertheless
    assert reader.taken == [0, 1]
    assert reader.times_read == [1, 2]


@pytest.mark.parametrize("reason", ["one processor", "waits for the network", "not worth it"])
async def test_when_nothing_is_read_ahead(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(3, last=2, worth=reason != "not worth it")
    if reason == "one processor":
        monkeypatch.setattr(read_ahead, "processors", lambda: 1)
    if reason == "waits for the network":
        monkeypatch.setattr(read_ahead, "_BUSY_SHARE", 0.5)
        monkeypatch.setattr(read_ahead, "time", StoppedProcess)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_in_order, range(3), reader)
            for number in range(3):
                await reader.begun[number].wait()
                await anyio.sleep(0.02)
                assert reader.running == 1
                reader.let_end(number)
    assert reader.taken == [0, 1, 2]


class StoppedProcess:
    """The clocks of a process that does nothing."""

    monotonic = staticmethod(time.monotonic)
    process_time = staticmethod(lambda: 0.0)


async def test_cancelled() -> None:
    reader = Reader(2, last=1)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_in_order, range(2), reader)
            await reader.begun[1].wait()
            tasks.cancel_scope.cancel()
    assert (reader.running, reader.taken) == (0, [])
