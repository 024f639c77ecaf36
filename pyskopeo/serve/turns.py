"""Locks by key, which exist while somebody uses them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyio import Lock


class Turns:
    """Lets tasks do something about a key one after another."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[Lock, int]] = {}

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Wait until no other task is in this context with the same key."""
        from anyio import Lock

        lock, tasks = self._locks.get(key) or (Lock(), 0)
        self._locks[key] = lock, tasks + 1
        try:
            async with lock:
                yield
        finally:
            _, tasks = self._locks.pop(key)
            if tasks > 1:
                self._locks[key] = lock, tasks - 1
