"""Coroutines run for a worker thread, and coroutines that a cancellation leaves some time to finish."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio import from_thread

from ..errors import PyskopeoError
from ..streams.cancellation import Cancellation, Cancelled

T = TypeVar("T")


def run_in_loop(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine in the event loop, for a worker thread; cancelled when the thread's work is.

    Raises `Cancelled` then, and what ``work`` raises. The cancellation of the task that waits for the
    thread does not reach the coroutine by itself on every event loop.
    """
    cancellation, scopes = Cancellation.current(), list[anyio.CancelScope]()

    async def scoped() -> T:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            cancellation.check()
            return await work()
        raise Cancelled

    def cancel() -> None:
        for scope in scopes:  # none before `scoped` runs, which checks
            scope.cancel()

    with cancellation.on_cancel(cancel):
        return from_thread.run(scoped)


async def finishing(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Run ``work``; a cancellation leaves it ``seconds`` to come to its end, so that what it began is known."""
    results: list[T] = []
    failures: list[PyskopeoError] = []
    done, scope = anyio.Event(), anyio.CancelScope(shield=True)

    async def run() -> None:
        with scope:
            try:
                results.append(await work())
            except PyskopeoError as error:
                failures.append(error)  # raised outside, where no group is put around it
        done.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            await done.wait()
        except anyio.get_cancelled_exc_class():
            scope.deadline = anyio.current_time() + seconds
            raise
    if failures:
        raise failures[0]
    return results[0]
