"""Results of tasks that run concurrently, printed in the order in which they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class OrderedOutput(Generic[Result]):
    """Calls ``show`` with each position, from 0, and its result, as soon as it was called for all positions before."""

    def __init__(self, show: Callable[[int, Result], None]) -> None:
        self._show = show
        self._waiting: dict[int, Result] = {}
        self._next = 0

    def put(self, position: int, result: Result) -> None:
        """Take the result at ``position``, and show what is complete up to there; raises what ``show`` raises."""
        self._waiting[position] = result
        while self._next in self._waiting:
            position, found = self._next, self._waiting.pop(self._next)
            self._next += 1
            self._show(position, found)
