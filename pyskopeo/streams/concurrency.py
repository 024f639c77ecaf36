"""The same work for many things, so many of them at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from ..errors import first_error

T = TypeVar("T")
# Seconds. In the first one there is little but connections to be made.
_MOMENT, _MOMENTS = 0.05, 2
# Of the processors' time. Whoever sends us bytes from this machine needs much of the rest.
_BUSY = 0.35


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def each(items: Iterable[T], work: Callable[[T], Awaitable[object]], *, at_once: int) -> None:
    """Do ``work`` for every one of ``items``, for ``at_once`` of them at a time.

    The first failure cancels the rest and is what is raised.
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


async def by_turns(
    items: Sequence[T], work: Callable[[T], Awaitable[object]], *, at_once: int, at_most: int | None = None
) -> None:
    """Do ``work`` for every one of ``items``, begun in their order, for ``at_once`` of them at a time.

    For ``at_most`` of them, if that is more, as soon as this process leaves the processors idle:
    then it waits for others, a network or a server, and more at a time make it faster. While it keeps
    them busy, more at a time would only be in each other's way.
    """
    from anyio import CancelScope, create_task_group

    waiting, watch = iter(items), CancelScope()

    async def take() -> None:
        # Each takes the next one, so the order holds whichever task an event loop starts first.
        for item in waiting:
            await work(item)
        watch.cancel()

    async def add(number: int) -> None:
        with watch:
            await _idle()
            for _ in range(number):
                tasks.start_soon(take)

    async with create_task_group() as tasks:
        for _ in range(min(at_once, len(items))):
            tasks.start_soon(take)
        more = min(at_most or 0, len(items)) - at_once
        if more > 0:
            tasks.start_soon(add, more)


async def _idle() -> None:
    """Wait until this process leaves the processors idle, and not for one moment only."""
    from anyio import sleep

    idle = 0
    while idle < _MOMENTS:
        used, then = time.process_time(), time.monotonic()
        await sleep(_MOMENT)
        passed = time.monotonic() - then
        busy = time.process_time() - used > passed * processors() * _BUSY
        idle = 0 if busy else idle + 1
