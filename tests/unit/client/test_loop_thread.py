"""The thread of an event loop: how it starts, and every way in which it ends."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from pyskopeo.client.loop_thread import LoopThread
from pyskopeo.errors import InvalidInput


class Ended:
    """Counts how often a loop has ended."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> None:
        self.times += 1


async def answer() -> int:
    return 42


def test_it_starts_with_the_first_call_and_ends_once() -> None:
    ended = Ended()
    loop = LoopThread(ended)
    loop.stop_if_idle()
    assert ended.times == 0
    assert loop.run(answer) == loop.run(answer) == 42
    loop.close()
    loop.close()
    assert ended.times == 1
    with pytest.raises(InvalidInput, match="closed"):
        loop.run(answer)


def test_an_idle_one_is_stopped_and_started_again() -> None:
    ended = Ended()
    loop = LoopThread(ended)
    assert loop.run(answer) == 42
    loop.stop_if_idle()
    assert ended.times == 1
    assert loop.run(answer) == 42
    loop.close()
    assert ended.times == 2


def test_one_that_is_in_use_is_not_stopped() -> None:
    loop = LoopThread(Ended())

    async def work() -> int:
        await anyio.to_thread.run_sync(loop.stop_if_idle)
        return await answer()

    assert loop.run(work) == 42
    loop.close()


def test_closing_it_ends_the_calls_of_other_threads() -> None:
    loop, started, errors = LoopThread(Ended()), threading.Event(), list[Exception]()

    async def work() -> None:
        started.set()
        await anyio.sleep_forever()

    def call() -> None:
        try:
            loop.run(work)
        except InvalidInput as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert started.wait(10)
    loop.close()
    thread.join(10)
    assert [str(error) for error in errors] == ["the client was closed during the call"]


def test_it_can_be_closed_in_its_own_thread() -> None:
    """As by the garbage collector, which runs anywhere."""
    ended = Ended()
    loop = LoopThread(ended)
    loop.run(answer)
    thread = loop._thread

    assert loop._portal is not None
    loop._portal.call(loop.close)
    assert thread is not None
    thread.join(10)
    assert (thread.is_alive(), ended.times) == (False, 1)


def test_a_loop_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("too many open files")

    loop = LoopThread(Ended())
    monkeypatch.setattr(anyio, "run", refuse)
    with pytest.raises(OSError, match="too many open files"):
        loop.run(answer)


def test_a_call_in_its_own_loop_is_refused() -> None:
    """It would wait for itself."""
    loop = LoopThread(Ended())

    async def again() -> int:
        return loop.run(answer)

    with pytest.raises(InvalidInput, match="its own event loop"):
        loop.run(again)
    loop.close()


def test_a_context_is_entered_and_left_in_the_loop() -> None:
    steps = list[str]()

    @asynccontextmanager
    async def context(problem: str = "") -> AsyncIterator[str]:
        if problem:
            raise OSError(problem)
        steps.append("entered")
        try:
            yield threading.current_thread().name
        finally:
            steps.append("left")

    loop = LoopThread(Ended())
    with loop.entered(context()) as thread:
        steps.append("body")
        assert thread == "pyskopeo client"
    assert steps == ["entered", "body", "left"]
    with pytest.raises(OSError, match="not there"), loop.entered(context("not there")):
        raise AssertionError
    with pytest.raises(KeyError), loop.entered(context()):
        raise KeyError
    assert steps[3:] == ["entered", "left"]
    loop.close()
