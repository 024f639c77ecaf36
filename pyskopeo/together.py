"""The same work for many things, so many of them at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from .errors import first_error

T = TypeVar("T")


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
