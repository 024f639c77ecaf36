"""Blocking work in threads: woken at once, waited for, and never begun too late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import anyio
import pytest

from pyskopeo.streams.cancellation import Cancellation, Cancelled, check_cancelled, on_cancel, run_in_thread

pytestmark = pytest.mark.anyio


async def test_the_result_of_the_work_is_returned() -> None:
    assert await run_in_thread(lambda: threading.current_thread() is not threading.main_thread())


async def test_a_failure_of_the_work_is_raised_as_it_is() -> None:
    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_in_thread(work)


async def test_cancelling_stops_work_that_checks() -> None:
    ended = threading.Event()

    def work() -> None:
        try:
            while True:
                time.sleep(0.005)
                check_cancelled()
        finally:
            ended.set()

    with anyio.move_on_after(0.05) as scope:
        await run_in_thread(work)
    assert scope.cancelled_caught
    assert ended.is_set()


async def test_cancelling_wakes_a_call_that_blocks_and_waits_for_its_thread() -> None:
    woken, woken_in, ended = threading.Event(), [], threading.Event()

    def wake() -> None:
        woken_in.append(threading.current_thread())
        woken.set()

    def work() -> None:
        try:
            with on_cancel(wake):
                assert woken.wait(30)
                time.sleep(0.1)
                raise OSError("shut down")
        finally:
            ended.set()

    started = time.monotonic()
    with anyio.move_on_after(0.05) as scope:
        await run_in_thread(work)
    # The call's complaint is not the story: it was cancelled.
    assert scope.cancelled_caught
    assert ended.is_set()
    assert woken_in == [threading.main_thread()]
    assert time.monotonic() - started < 15


@contextmanager
def no_free_thread() -> Iterator[Callable[[], None]]:
    """Every worker thread is taken, until what this gives is called."""
    blocking = threading.Event()
    limiter = anyio.to_thread.current_default_thread_limiter()
    before, limiter.total_tokens = limiter.total_tokens, 1
    try:
        limiter.acquire_on_behalf_of_nowait(blocking)
        yield lambda: limiter.release_on_behalf_of(blocking)
    finally:
        limiter.total_tokens = before


@pytest.mark.parametrize("discard", [None, [].append])
async def test_work_that_never_got_a_thread_is_not_begun(discard: Callable[[None], None] | None) -> None:
    begun: list[int] = []
    with no_free_thread() as free, anyio.move_on_after(0.05) as scope:
        try:
            await run_in_thread(lambda: begun.append(1), discard=discard)
        finally:
            free()
    assert scope.cancelled_caught
    await anyio.sleep(0.05)
    assert begun == []


@pytest.mark.parametrize("late", [False, True], ids=["the thread is last", "the task is last"])
async def test_a_result_that_nobody_takes_is_discarded_once(late: bool) -> None:
    """Nobody waits for the thread; whichever ends last clears up."""
    entered, go, done = threading.Event(), threading.Event(), threading.Event()
    discarded: list[str] = []

    def work() -> str:
        entered.set()
        assert go.wait(10)
        return "result"

    def discard(result: str) -> None:
        discarded.append(result)
        done.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: run_in_thread(work, discard=discard))
        while not entered.is_set():
            await anyio.sleep(0.001)
        if late:
            go.set()
            time.sleep(0.1)  # noqa: ASYNC251 - the thread ends while the event loop cannot hear of it
        tasks.cancel_scope.cancel()
    assert discarded == (["result"] if late else [])
    go.set()
    assert await anyio.to_thread.run_sync(done.wait, 5)
    await anyio.sleep(0.05)
    assert discarded == ["result"]


async def test_a_result_that_is_taken_is_not_discarded() -> None:
    discarded: list[str] = []
    assert await run_in_thread(lambda: "result", discard=discarded.append) == "result"
    assert discarded == []


async def test_threads_are_used_again_and_each_work_has_its_own_cancellation() -> None:
    limiter, seen = anyio.CapacityLimiter(1), []

    async def work(cancel: bool) -> None:
        def run() -> None:
            seen.append((threading.get_ident(), Cancellation.current()))
            while cancel:
                time.sleep(0.001)
                check_cancelled()

        async with anyio.create_task_group() as tasks:
            started = len(seen)
            tasks.start_soon(partial(run_in_thread, run, limiter=limiter))
            while len(seen) == started:
                await anyio.sleep(0.001)
            if cancel:
                tasks.cancel_scope.cancel()

    for cancel in (False, True, False):
        await work(cancel)
    assert len({cancellation for _, cancellation in seen}) == 3
    assert Cancellation.current() not in {cancellation for _, cancellation in seen}
    check_cancelled()


def cancelled_within(work: Callable[[Cancellation], None]) -> None:
    """Have ``work`` cancel itself; it must end as cancelled."""
    cancellation = Cancellation()
    with pytest.raises(Cancelled):
        cancellation.run(lambda: work(cancellation))


def test_only_the_innermost_call_is_woken() -> None:
    called: list[str] = []

    def work(cancellation: Cancellation) -> None:
        with on_cancel(lambda: called.append("outer")):
            with on_cancel(lambda: called.append("before")):
                pass
            with on_cancel(lambda: called.append("inner")):
                cancellation.cancel()

    cancelled_within(work)
    assert called == ["inner"]


def test_a_call_that_is_over_is_not_woken() -> None:
    called: list[str] = []

    def work(cancellation: Cancellation) -> None:
        with on_cancel(lambda: called.append("over")):
            pass
        cancellation.cancel()
        check_cancelled()

    cancelled_within(work)
    assert called == []


def test_a_call_does_not_begin_after_the_cancellation() -> None:
    called: list[str] = []

    def work(cancellation: Cancellation) -> None:
        cancellation.cancel()
        with on_cancel(lambda: called.append("callback")):
            called.append("body")

    cancelled_within(work)
    assert called == []


def test_a_call_that_ends_well_all_the_same_is_cancelled() -> None:
    reached: list[str] = []

    def work(cancellation: Cancellation) -> None:
        with on_cancel(lambda: None):
            cancellation.cancel()
            reached.append("end of the call")
        reached.append("after the call")

    cancelled_within(work)
    assert reached == ["end of the call"]


def test_the_callback_has_returned_before_the_call_is_left() -> None:
    """What it uses may be closed then."""
    calling, order = threading.Event(), []

    def callback() -> None:
        calling.set()
        time.sleep(0.1)
        order.append("called")

    def work(cancellation: Cancellation) -> None:
        thread = threading.Thread(target=cancellation.cancel)
        try:
            with on_cancel(callback):
                thread.start()
                assert calling.wait(5)
        finally:
            order.append("left")
            thread.join(5)

    cancelled_within(work)
    assert order == ["called", "left"]


def test_without_run_in_thread_nothing_is_cancelled() -> None:
    check_cancelled()
    with on_cancel(lambda: pytest.fail("nobody cancels")):
        pass
    others: list[Cancellation] = []
    thread = threading.Thread(target=lambda: others.append(Cancellation.current()))
    thread.start()
    thread.join(5)
    assert others[0] is not Cancellation.current()
    others[0].cancel()
    check_cancelled()
