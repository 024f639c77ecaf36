"""Time limits of a response: its head, small documents such as manifests and tokens, and blobs. Pure."""

from __future__ import annotations

import time

from ..fast_dataclass import dataclass

# Bytes per second.
_LEAST_RATE = 1024
# The same for a blob, on average over this many stall timeouts, five minutes by default. A slow modem is ten times as
# fast, also where several blobs share it.
LEAST_BLOB_RATE = 16
_BLOB_PERIODS = 5
# The flags that set the time for a small document.
TOO_SLOW_FLAGS = "--stall-timeout, --response-timeout"


class TooSlow(TimeoutError):
    """A time limit was exceeded; the message says which. ``flags`` are those that set it."""

    def __init__(self, message: str, flags: str) -> None:
        super().__init__(message)
        self.flags = flags


@dataclass(frozen=True, slots=True)
class ResponseTimeouts:
    """Timeouts of a response in seconds: until its ``head`` is read, and of each read of its ``body``.

    None means no limit.
    """

    head: float | None
    body: float | None


class DocumentDeadline:
    """The time by which a small document has to be complete: a manifest, a token, an error, a page of tags.

    That is ``2 * stall_timeout`` seconds, and one more for each KiB that has arrived, at most ``response_timeout``:
    a server that sends a byte from time to time does not stall, but must not go on for ever. The time starts when the
    object is created.
    """

    def __init__(self, stall_timeout: float, response_timeout: float) -> None:
        self._started, self._stall_timeout, self._response_timeout = time.monotonic(), stall_timeout, response_timeout

    def left(self, received: int) -> float:
        """Return the seconds that are left after ``received`` bytes, 0 if there are none."""
        allowed = min(2 * self._stall_timeout + received / _LEAST_RATE, self._response_timeout)
        return max(0.0, self._started + allowed - time.monotonic())

    def wait(self, received: int) -> float:
        """Return the timeout of the next read in seconds; raises `TooSlow` if there is no time left."""
        left = self.left(received)
        if not left:
            raise TooSlow(f"the answer comes too slowly, only {received} bytes of it came", TOO_SLOW_FLAGS)
        return min(left, self._stall_timeout)


class BlobTime:
    """The time limits of one response with a blob, or a part of one: `record` raises `TooSlow` beyond them.

    Fewer than 16 bytes a second on average over five stall timeouts are too slow, though there is no stall. Only time
    in which the server was waited for counts: the destination may be slow. A document has a `DocumentDeadline`, too.
    The time starts when the object is created.
    """

    def __init__(self, stall_timeout: float, response_timeout: float) -> None:
        self._deadline = DocumentDeadline(stall_timeout, response_timeout)
        self._period = _BLOB_PERIODS * stall_timeout
        self._received = self._recent = 0
        self._waited = 0.0

    def record(self, count: int, waited: float, *, is_document: bool = False) -> None:
        """Record that ``count`` bytes came after waiting for ``waited`` seconds."""
        self._received += count
        if is_document:
            self._deadline.wait(self._received)
        self._recent += count
        self._waited += waited
        if self._waited < self._period:
            return
        if self._recent < LEAST_BLOB_RATE * self._waited:
            raise TooSlow(
                f"only {self._recent} bytes came in {self._waited:.0f} s, under {LEAST_BLOB_RATE} a second",
                "--stall-timeout",
            )
        self._recent, self._waited = 0, 0.0
