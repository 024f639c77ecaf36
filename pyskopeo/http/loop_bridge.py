"""Run coroutines for a worker thread, and coroutines with a grace period after a cancellation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from ..errors import PyskopeoError
from ..streams.cancellation import Cancellation, Cancelled

T = TypeVar("T")


def run_in_loop(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine in the event loop, called from a worker thread, and return its result.

    It is cancelled when the thread's work is; this raises `Cancelled` then, and otherwise what ``work`` raises. A
    cancellation of the task that waits for the thread does not reach the coroutine by itself on every event loop.
    """
    cancellation, scopes = Cancellation.current(), list[anyio.CancelScope]()

    async def scoped() -> T:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            cancellation.check()
            return await work()
        raise Cancelled

    def cancel() -> None:
        for scope in scopes:  # there is none before `scoped` runs, which checks for a cancellation
            scope.cancel()

    with cancellation.on_cancel(cancel):
        if cancellation.loop is None:
            from anyio import from_thread  # a large module

            return from_thread.run(scoped)
        from asyncio import run_coroutine_threadsafe

        return run_coroutine_threadsafe(scoped(), cancellation.loop).result()


def call_in_loop(work: Callable[[], T]) -> T:
    """Call a function in the event loop, from a worker thread; otherwise as `run_in_loop`."""

    async def call() -> T:
        return work()

    return run_in_loop(call)


async def run_with_grace(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Run ``work`` and return its result; a cancellation leaves it ``seconds`` to finish.

    So the caller knows what the server was asked to create, and can remove it. Raises what ``work`` raises.
    """
    results: list[T] = []
    failures: list[PyskopeoError] = []
    done, scope = anyio.Event(), anyio.CancelScope(shield=True)

    async def run() -> None:
        with scope:
            try:
                results.append(await work())
            except PyskopeoError as error:
                failures.append(error)  # raised outside of the task group, which would wrap it in an ExceptionGroup
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
