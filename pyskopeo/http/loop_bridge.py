"""Work in the event loop that ends in its own way: for a worker thread, or in spite of a cancellation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio import from_thread

from ..errors import ConnectionFailed, PyskopeoError

T = TypeVar("T")


class Looped:
    """Runs coroutines for a worker thread. `abort` ends the one that runs, and all later ones: the
    cancellation of whoever waits for the thread does not reach them on every event loop."""

    def __init__(self) -> None:
        self.aborted = False
        self._waiting: anyio.CancelScope | None = None

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Called in the worker thread; raises what ``work`` raises, and `ConnectionFailed` once aborted."""

        async def abortable() -> T:
            with anyio.CancelScope() as self._waiting:
                if not self.aborted:
                    return await work()
            raise ConnectionFailed("aborted", temporary=False)

        return from_thread.run(abortable)

    def abort(self) -> None:
        """Called in the event loop."""
        self.aborted = True
        if self._waiting is not None:
            self._waiting.cancel()


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
