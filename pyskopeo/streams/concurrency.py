"""Concurrency of tasks: a coroutine per item, workers that take items from a queue in order, values made once."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import first_error

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

T = TypeVar("T")
Key = TypeVar("Key")
Value = TypeVar("Value")
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


async def work_off(
    items: Sequence[T], work: Callable[[T], Awaitable[object]], *, at_once: int, when_idle: int = 0
) -> None:
    """Run a coroutine per item, in order, at most ``at_once`` concurrently, or ``when_idle`` when processors are idle.

    Unlike `each`, for any number of items: there are no more tasks than items are worked on. The first failure
    cancels the rest and is raised.
    """
    from anyio import create_task_group
    from anyio.lowlevel import checkpoint

    async def worker(queue: WorkQueue[T]) -> None:
        for item in queue:
            await checkpoint()  # the work may wait for nothing
            await work(item)

    with first_error():
        async with create_task_group() as tasks:
            queue = WorkQueue(items)
            for _ in range(min(at_once, len(items))):
                tasks.start_soon(worker, queue)
            if (more := min(when_idle, len(items)) - at_once) > 0:
                tasks.start_soon(queue.add_workers_when_idle, tasks, worker, more)


@asynccontextmanager
async def ticking(tick: Callable[[], None], seconds: float) -> AsyncIterator[None]:
    """Call ``tick`` every so many seconds while the body runs, from its beginning on."""
    from anyio import create_task_group, sleep

    async def repeat() -> None:
        while True:
            tick()
            await sleep(seconds)

    with first_error():
        async with create_task_group() as tasks:
            tasks.start_soon(repeat)
            yield
            tasks.cancel_scope.cancel()


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
    idle = 0
    while idle < _IDLE_PERIODS:
        idle = idle + 1 if await processors_idle(_PERIOD) else 0


async def processors_idle(seconds: float) -> bool:
    """Return after so many seconds whether this process has left the processors idle in that time."""
    from anyio import sleep

    used, since = time.process_time(), time.monotonic()
    await sleep(seconds)
    passed = time.monotonic() - since
    return time.process_time() - used <= passed * processors() * _BUSY_SHARE


class _Turn:
    """The lock of the tasks that ask for one key, and their number."""

    __slots__ = ("lock", "tasks")

    def __init__(self) -> None:
        from anyio import Lock

        self.lock = Lock()
        self.tasks = 0


class SingleFlight(Generic[Key, Value]):
    """Make the value of each key once, however many tasks ask for it at the same time, and keep it.

    If the task that makes a value fails or is cancelled, the next task in the queue makes it. Errors of the type
    ``remembered`` are kept as values are, and raised again for every later caller, each time as a new object made
    of the error's ``args``.

    No lock outlives the tasks that use it, so one object can serve several event loops, one after the other.
    """

    def __init__(self, *, remembered: type[Exception] | tuple[type[Exception], ...] = ()) -> None:
        self._values: dict[Key, Value] = {}
        self._errors: dict[Key, Exception] = {}
        self._turns: dict[Key, _Turn] = {}
        self._remembered = remembered

    @property
    def values(self) -> Mapping[Key, Value]:
        """The values made so far, whether they are still usable or not."""
        return self._values

    async def get(
        self, key: Key, make: Callable[[], Awaitable[Value]], *, usable: Callable[[Value], bool] | None = None
    ) -> Value:
        """Return the value kept for ``key``, or the result of ``make()`` if there is none.

        ``usable`` says of a kept value whether it will still do, for values that expire or were refused. A value
        just made is returned unasked. Raises what ``make`` raises.
        """
        if self._has(key, usable):
            return self._values[key]
        turn = self._turns.setdefault(key, _Turn())
        turn.tasks += 1
        try:
            async with turn.lock:
                if not self._has(key, usable):
                    await self._make(key, make)
                return self._values[key]
        finally:
            turn.tasks -= 1
            if not turn.tasks:
                del self._turns[key]

    def _has(self, key: Key, usable: Callable[[Value], bool] | None) -> bool:
        if (error := self._errors.get(key)) is not None:
            raise type(error)(*error.args)
        return key in self._values and (usable is None or usable(self._values[key]))

    async def _make(self, key: Key, make: Callable[[], Awaitable[Value]]) -> None:
        try:
            self._values[key] = await make()
        except self._remembered as error:
            # Callers may add to an error's message, so the one that is kept is not the one that is raised.
            self._errors[key] = type(error)(*error.args)
            raise
