"""Bounded concurrency of tasks: a coroutine per item, and workers that take items from a queue in order."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import first_error

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

T = TypeVar("T")
# The processors are idle after this many periods in a row, of this many seconds each. In the first one a copy
# does little but make connections.
_IDLE_PERIODS, _PERIOD = 2, 0.05
# The share of the processors' time above which this process keeps them busy: a server on this machine needs
# much of the rest to send.
_BUSY_SHARE = 0.35


def processors() -> int:
    """Return the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def each(items: Iterable[T], work: Callable[[T], Awaitable[object]], *, at_once: int) -> None:
    """Run a coroutine per item, at most ``at_once`` concurrently, in any order.

    The first failure cancels the rest and is raised.
    """
    from anyio import CapacityLimiter, create_task_group

    limiter = CapacityLimiter(at_once)

    async def one(item: T) -> None:
        async with limiter:
            await work(item)

    with first_error():
        async with create_task_group() as tasks:
            for item in items:
                tasks.start_soon(one, item)


class WorkQueue(Generic[T]):
    """Items that workers take one at a time, in order, whichever worker an event loop runs first.

    A worker is a coroutine function that is given the queue and iterates over it.
    """

    def __init__(self, items: Iterable[T]) -> None:
        from anyio import CancelScope

        self._items = iter(items)
        self._waiting_for_idle = CancelScope()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return next(self._items)
        except StopIteration:
            self._waiting_for_idle.cancel()
            raise

    async def add_workers_when_idle(
        self, tasks: TaskGroup, worker: Callable[[WorkQueue[T]], Coroutine[None, None, None]], count: int
    ) -> None:
        """Start ``count`` more workers as soon as this process leaves the processors idle.

        It waits for the network or a server then, and more concurrency makes it faster. While it keeps the
        processors busy, more workers would only slow each other down. Returns without starting any once the queue
        is empty.
        """
        with self._waiting_for_idle:
            await _idle_processors()
            for _ in range(count):
                tasks.start_soon(worker, self)


async def _idle_processors() -> None:
    """Wait until this process has left the processors idle for `_IDLE_PERIODS` in a row."""
    from anyio import sleep

    idle = 0
    while idle < _IDLE_PERIODS:
        used, since = time.process_time(), time.monotonic()
        await sleep(_PERIOD)
        passed = time.monotonic() - since
        busy = time.process_time() - used > passed * processors() * _BUSY_SHARE
        idle = 0 if busy else idle + 1
