"""Limits on the bytes per second of bodies, shared fairly by concurrent transfers.

A limit is a schedule ("virtual scheduling" of ITU-T I.371): each transfer reserves time for its next few bytes after
everything that is reserved already, and waits for that time before it moves them. So transfers that wait take turns, in
the order in which they asked, and none of them can take more than its turn.
"""

from __future__ import annotations

import threading
import time

from ..streams.cancellation import on_cancel

# Seconds of a limit that may be caught up at once, after a time in which less was moved: threads wake up late.
_BURST = 0.1
# The same for documents.
_DOCUMENT_BURST = 0.25
# Seconds of a limit that a transfer reserves in one turn.
_TURN = 0.02
# Bytes. The maximum of one turn, whatever the limit.
_LARGEST_TURN = 256 * 1024
# Bytes. The beginning of every body up to this size does not wait for long transfers: most manifests and tokens, on
# which everything else waits, are shorter.
DOCUMENT_SIZE = 64 * 1024


class RateLimit:
    """One limit of ``rate`` bytes per second. Thread-safe; ``now`` is the time of a monotonic clock in seconds."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.turn = max(1, min(_LARGEST_TURN, int(rate * _TURN)))
        self._lock = threading.Lock()
        self._free = self._documents_free = 0.0

    def reserve(self, count: int, now: float) -> float:
        """Reserve time for ``count`` bytes; return the seconds until it begins."""
        with self._lock:
            begin = max(self._free, now - _BURST)
            self._free = begin + count / self.rate
        return max(0.0, begin - now)

    def reserve_first(self, count: int, now: float) -> float:
        """Reserve time for ``count`` bytes of a document; return the seconds until it begins.

        It waits for other documents only. Transfers that reserve time later wait for it.
        """
        with self._lock:
            self._free = max(self._free, now - _BURST) + count / self.rate
            begin = max(self._documents_free, now - _DOCUMENT_BURST)
            self._documents_free = begin + count / self.rate
        return max(0.0, begin - now)

    def give_back(self, count: int) -> None:
        """Give back the time of ``count`` bytes that were not moved."""
        with self._lock:
            self._free -= count / self.rate


class RateLimits:
    """Limits on the bytes per second of everything that uses the same object, uploads and downloads together.

    ``total`` limits all transfers in sum, ``per_host`` those with each host; 0 is no limit. What is counted are the
    bytes of request and response bodies.
    """

    def __init__(self, total: float = 0, per_host: float = 0) -> None:
        self._total = RateLimit(total) if total > 0 else None
        self._per_host = per_host
        self._hosts: dict[str, RateLimit] = {}
        self._lock = threading.Lock()

    def of_host(self, host: str) -> HostLimits | None:
        """Return the limits for transfers with ``host``, None if there are none."""
        own: RateLimit | None = None
        if self._per_host > 0:
            with self._lock:
                own = self._hosts.setdefault(host, RateLimit(self._per_host))
        found = tuple(limit for limit in (own, self._total) if limit is not None)
        return HostLimits(found) if found else None


class HostLimits:
    """The limits that hold for a transfer with one host. ``turn`` is the number of bytes that it moves in one turn."""

    def __init__(self, limits: tuple[RateLimit, ...]) -> None:
        self.limits = limits
        self.turn = min(limit.turn for limit in limits)


class Pace:
    """Keeps one body within its limits.

    `wait`, or `wait_async` in the event loop, before bytes are moved, then `moved`; `end` after the last ones. With
    ``document`` no part of the body waits for long transfers, otherwise its beginning does not.
    """

    def __init__(self, host: HostLimits) -> None:
        self._host = host
        self._allowed = self._total = 0
        self.document = False

    def wait(self, wanted: int) -> int:
        """Wait until some of ``wanted`` bytes may be moved, and return their number; raises `Cancelled`."""
        if not self._allowed:
            count, first = self._next_turn(wanted)
            for limit in self._host.limits:
                _pause(_reserve(limit, count, first=first))
            self._allowed = count
        return min(wanted, self._allowed)

    async def wait_async(self, wanted: int) -> int:
        """The same without blocking the event loop."""
        from anyio import sleep

        if not self._allowed:
            count, first = self._next_turn(wanted)
            for limit in self._host.limits:
                if seconds := _reserve(limit, count, first=first):
                    await sleep(seconds)
            self._allowed = count
        return min(wanted, self._allowed)

    def moved(self, count: int) -> None:
        """Record that ``count`` bytes were moved, not more than `wait` returned."""
        self._allowed -= count
        self._total += count

    def end(self) -> None:
        """Give back what was reserved and is not needed."""
        for limit in self._host.limits:
            limit.give_back(self._allowed)
        self._allowed = 0

    def charge(self, count: int) -> None:
        """Wait as `wait` does for a short body of ``count`` bytes that is moved in one piece; raises `Cancelled`."""
        for limit in self._host.limits:
            _pause(_reserve(limit, count, first=True))

    def _next_turn(self, wanted: int) -> tuple[int, bool]:
        """Return the size of the next turn, and whether it comes before those of long transfers."""
        left = DOCUMENT_SIZE if self.document else DOCUMENT_SIZE - self._total
        return (min(wanted, left), True) if left > 0 else (min(wanted, self._host.turn), False)


def _reserve(limit: RateLimit, count: int, *, first: bool) -> float:
    reserve = limit.reserve_first if first else limit.reserve
    return reserve(count, time.monotonic())


def _pause(seconds: float) -> None:
    """Sleep, unless the work of this thread is cancelled; raises `Cancelled`."""
    if seconds > 0:
        woken = threading.Event()
        with on_cancel(woken.set):
            woken.wait(seconds)
