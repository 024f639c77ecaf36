"""Threads for tasks of asyncio: used again, bounded, with the context of the task; on trio anyio's do the work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import NoReturn

import anyio
import pytest

from pyskopeo.http.loop_bridge import run_in_loop
from pyskopeo.streams import worker_threads
from pyskopeo.streams.cancellation import run_in_thread
from pyskopeo.streams.worker_threads import run_in_worker, running_loop
from tests.support.threads import ends

pytestmark = pytest.mark.anyio
VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="")


def thread() -> threading.Thread:
    return threading.current_thread()


async def test_the_loop_of_a_task(anyio_backend_name: str) -> None:
    assert (running_loop() is not None) == (anyio_backend_name == "asyncio")


def test_without_a_loop() -> None:
    assert running_loop() is None


def test_in_no_task() -> None:
    """As where another event loop runs within that of asyncio."""
    found: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: found.append(running_loop()))
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert found == [None]


async def test_the_work_has_the_context_of_the_task_and_so_have_coroutines_that_it_runs() -> None:
    async def value() -> str:
        return VARIABLE.get()

    def work() -> tuple[str, str]:
        return VARIABLE.get(), run_in_loop(value)

    VARIABLE.set("of the task")
    assert await run_in_thread(work) == ("of the task", "of the task")
    VARIABLE.set("later")
    assert await run_in_thread(work) == ("later", "later")


async def test_work_in_the_loop_that_fails_or_is_cancelled() -> None:
    async def fail() -> NoReturn:
        await anyio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_in_thread(lambda: run_in_loop(fail))
    with anyio.move_on_after(0.05) as scope:
        await run_in_thread(lambda: run_in_loop(anyio.sleep_forever))
    assert scope.cancelled_caught


async def test_a_limiter_bounds_the_threads() -> None:
    limiter, running, most = anyio.CapacityLimiter(2), 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(lambda: run_in_thread(work, limiter=limiter))
    assert most == 2
    assert limiter.borrowed_tokens == 0


async def test_a_cancelled_task_starts_no_work() -> None:
    begun: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await run_in_thread(lambda: begun.append(1))
    assert begun == []


async def test_an_iteration_that_stops_is_an_error() -> None:
    def work() -> None:
        raise StopIteration

    with pytest.raises(RuntimeError):
        await run_in_thread(work)



def run(main: Callable[[], Coroutine[object, object, None]]) -> None:
    asyncio.run(main())


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The threads without work, none at first."""
    found: list[object] = []
    monkeypatch.setattr(worker_threads, "_idle", found)
    return found


def test_a_thread_is_used_again(idle: list[object]) -> None:
    async def main() -> None:
        first = await run_in_thread(thread)
        assert [await run_in_thread(thread) for _ in range(5)] == [first] * 5
        assert len(idle) == 1

    run(main)


def test_a_thread_without_work_ends(idle: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(worker_threads, "_IDLE_SECONDS", 0.01)
        first = await run_in_thread(thread)
        assert await ends(lambda: not first.is_alive())
        assert idle == []
        monkeypatch.setattr(worker_threads, "_IDLE_SECONDS", 10.0)
        assert (await run_in_thread(thread)).ident is not None

    run(main)


def test_a_result_after_the_loop_has_closed_is_dropped(idle: list[object]) -> None:
    go, entered = threading.Event(), threading.Event()

    def work() -> None:
        entered.set()
        assert go.wait(10)

    async def main() -> None:
        task = asyncio.create_task(run_in_worker(asyncio.get_running_loop(), work, None))
        while not entered.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    go.set()
    run(lambda: _until(lambda: len(idle) == 1))


async def _until(condition: Callable[[], bool]) -> None:
    assert await ends(condition)
