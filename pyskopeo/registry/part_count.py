"""How many parts of a blob to fetch at the same time, from throughput and failures. No I/O: times are passed in."""

from __future__ import annotations

# After the server has sent a part of what was asked for, this many are fetched; then twice as many at each step.
_FIRST = 3
# Seconds over which the throughput of one number of parts is measured, and the share by which it has to be above that
# of the number before. After some measurements below that it is the number before, and more are tried later.
_WINDOW, _GROWTH, _FLAT_WINDOWS, _PAUSE = 0.3, 0.15, 3, 2.0
# The share of the parts that has to be under way before their throughput is measured.
_UNDER_WAY = 0.75
# Failures in a row, with no finished part between them, after which no part is fetched any more.
_MAX_FAILURES = 6


class PartCount:
    """The number of parts to fetch at the same time, ``target``.

    It starts with one, which shows whether the server honours ranges, and grows while the throughput does. A failure
    halves it; each part that is finished after that allows one more. ``begun`` is whether any part was ever under way.
    """

    def __init__(self, most: int, rate: float, *, proven: bool = False) -> None:
        """``rate`` is the throughput of the stream alone, in bytes per second.

        ``proven`` is whether the server is known to honour ranges.
        """
        self._limit = self._most = most
        self.target = min(_FIRST if proven else 1, most)
        self._proven, self._rate, self._before = proven, rate, 0
        self.begun = False
        self._failures = self._flat = 0
        self._settled = False
        self._window: tuple[float, int] | None = None

    def measure(self, now: float, received: int, begun: int) -> None:
        """Take note of the bytes ``received`` in total until ``now``, in seconds, with ``begun`` parts under way."""
        self.begun = self.begun or begun > 0
        if not self.target:
            return
        if not self._proven:
            if self.begun:
                self._proven = True
                self._step(min(_FIRST, self._most))
            return
        if self._window is None:
            if begun >= self.target * _UNDER_WAY:
                self._window = now, received
            return
        since, base = self._window
        if now - since < (_PAUSE if self._settled else _WINDOW):
            return
        rate, self._window = (received - base) / (now - since), (now, received)
        if self._settled or rate >= self._rate * self._least_growth:
            self._rate, self._before, self._settled = rate, self.target, False
        if self.target == self._before:
            self._step(min(2 * self.target, self._most))
            return
        self._flat += 1
        if self._flat == _FLAT_WINDOWS:
            self._settled = True
            self._step(min(self._before, self._most))

    @property
    def _least_growth(self) -> float:
        """How much faster this number has to be than the one before: less than by one connection in two."""
        return 1 + min(_GROWTH, (self.target - self._before) / (self._before + 1) / 2)

    def finished(self) -> None:
        """Record that a part has been fetched completely."""
        self._failures = 0
        if self._most < self._limit:
            self._most += 1

    def failed(self, active: int) -> int:
        """Record a failure while ``active`` parts were being fetched; return how many are to be fetched at most."""
        self._failures += 1
        self._most = max(1, min(self._most, active) // 2) if self._failures < _MAX_FAILURES else 0
        self._limit = self._limit if self._most else 0
        # The throughput so far was that of more parts.
        self._rate, self._settled, self._window, self._flat = 0.0, False, None, 0
        self._step(min(self.target, self._most))
        return self._most

    def _step(self, target: int) -> None:
        if target != self.target:
            self.target, self._window, self._flat = target, None, 0
