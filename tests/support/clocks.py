"""The clocks of this process, which jump: a machine that slept, a clock that was set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Jump:
    """At its reading number ``at``, from 0, a clock goes by ``seconds``, back if that is negative."""

    at: int
    seconds: float


class JumpingClocks:
    """`time.monotonic` and `time.time` jump while it is entered, each once; None leaves a clock alone.

    The monotonic clock can only go forward, as after a machine has slept. Code that has imported the functions
    themselves, as trio and `threading` have, sees no jump.
    """

    def __init__(self, *, monotonic: Jump | None = None, wall: Jump | None = None) -> None:
        assert monotonic is None or monotonic.seconds >= 0
        self._jumps = {"monotonic": monotonic, "time": wall}
        self._functions: dict[str, Callable[[], Any]] = {}

    def __enter__(self) -> Self:
        for name, jump in self._jumps.items():
            if jump is not None:
                clock = _Clock(jump)
                for variant, unit in ((name, 1), (f"{name}_ns", 1_000_000_000)):
                    self._functions[variant] = getattr(time, variant)
                    setattr(time, variant, clock.reading(self._functions[variant], unit))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, function in self._functions.items():
            setattr(time, name, function)


class _Clock:
    """One clock, read in seconds and in nanoseconds."""

    def __init__(self, jump: Jump) -> None:
        self._jump, self._seen = jump, 0

    def reading(self, function: Callable[[], Any], unit: int) -> Callable[[], Any]:
        def read() -> Any:
            self._seen += 1
            now = function()
            return now + type(now)(self._jump.seconds * unit) if self._seen > self._jump.at else now

        return read
