"""How fast bytes arrive, and how long the rest takes."""

from __future__ import annotations

import threading
import time
from collections import deque

_WINDOW = 10.0  # seconds over which the speed is measured
_SHORTEST = 1.0  # seconds before which there is no speed: the first bytes of a transfer come in bursts
_STEP = 0.2  # seconds between two samples


class Throughput:
    """The bytes per second of the last ten seconds; falls to 0 when nothing arrives any more.

    Bytes are counted in one thread and shown by another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples = deque([(time.monotonic(), 0)])
        self._moved = 0

    def count(self, moved: int) -> None:
        """Note that ``moved`` bytes have arrived since the begin; fewer than before are ignored."""
        with self._lock:
            if moved <= self._moved:
                return
            self._moved = moved
            now = time.monotonic()
            if now - self._samples[-1][0] >= _STEP:
                self._samples.append((now, moved))

    @property
    def speed(self) -> float | None:
        """Bytes per second, None at the begin."""
        with self._lock:
            now = time.monotonic()
            self._forget(now)
            first, moved = self._samples[0]
            return (self._moved - moved) / (now - first) if now - first >= _SHORTEST else None

    def seconds_left(self, missing: int) -> float | None:
        """Return how long ``missing`` bytes take at this speed, None if that cannot be said."""
        speed = self.speed
        return missing / speed if speed else None

    def _forget(self, now: float) -> None:
        """Drop what is older than ten seconds."""
        begin = now - _WINDOW
        while len(self._samples) > 1 and self._samples[1][0] <= begin:
            self._samples.popleft()
        if self._samples[0][0] < begin:  # nothing has arrived since
            self._samples[0] = begin, self._samples[0][1]
