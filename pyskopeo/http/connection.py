"""An HTTP/1.1 connection: a socket, and the bytes from it that have not been read yet. Blocking."""

from __future__ import annotations

import math
import select
import socket
import time
from typing import TYPE_CHECKING

from .response_head import InvalidResponse, ResponseHead, head_size, parse_head
from .time_limits import TooSlow

if TYPE_CHECKING:
    from .rate_limit import HostLimits

# Bytes of all heads of one response, interim ones included.
_HEAD_LIMIT = 256 * 1024
# Number of interim responses (1xx) to one request.
_INTERIM_LIMIT = 50
# With more interim responses than this the time starts with the first of them, so that they prolong nothing.
_PATIENT_INTERIM = 3
_RECEIVE_SIZE = 16 * 1024
# Seconds. A connection that has been idle for that long is not used any more.
IDLE_SECONDS = 50.0
_START = b"HTTP/1."
_STATUS_OFFSET = len(b"HTTP/1.1 ")


class Connection:
    """A connection; ``received`` are bytes that have arrived and are still to be read.

    ``limits`` are the rate limits of the bodies that are sent and received on it, None if there are none.
    Only one thread uses it at a time: see `exchange`.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = bytearray()
        self.limits: HostLimits | None = None
        self._begin_response()

    def _begin_response(self) -> None:
        """Forget the head that was read, and the counts for its limits."""
        self._head: ResponseHead | None = None
        self._searched = self._size = self._interim = 0
        self._first_interim = 0.0
        self._empty_line = False

    def send(self, data: bytes | memoryview) -> None:
        """Send ``data``; raises `TimeoutError` if the server takes nothing for the socket's timeout."""
        # Not sendall(), whose timeout limits the whole: a slow server has not stalled.
        rest = memoryview(data)
        while rest:
            rest = rest[self.sock.send(rest) :]

    def receive(self, timeout: float | None, size: int = _RECEIVE_SIZE) -> int:
        """Receive up to ``size`` bytes and return their number, 0 if the server has closed the connection.

        Waits ``timeout`` seconds for the first one (None: without a limit); raises `TimeoutError`.
        """
        self.sock.settimeout(timeout)
        data = self.sock.recv(size)
        self.received += data
        return len(data)

    def receive_now(self) -> int:
        """Receive what has arrived already and return its size, 0 if the server has closed the connection."""
        data = self.sock.recv(_RECEIVE_SIZE, socket.MSG_DONTWAIT)
        self.received += data
        return len(data)

    def read_head(self, timeout: float | None, stall_timeout: float | None) -> ResponseHead:
        """Read the head of the response to the request that was sent, after its interim responses.

        ``timeout`` limits the time until the response begins, ``stall_timeout`` that from the first byte of a head
        to its last one. Both are in seconds, None is no limit. Raises `TooSlow`, `InvalidResponse`, and
        `ConnectionError` if the server closes the connection.
        """
        sent = begun = time.monotonic()
        was_empty = not self.received
        while (head := self._parse_received()) is None:
            now = time.monotonic()
            if was_empty and self.received:
                begun = now
            was_empty = not self.received
            self._receive_head(now, sent, begun, timeout, stall_timeout)
        self._begin_response()
        return head

    def _receive_head(
        self, now: float, sent: float, begun: float, timeout: float | None, stall_timeout: float | None
    ) -> None:
        """Receive more of a head, until the first of its time limits."""
        deadlines = [] if timeout is None else [(sent + timeout, 0)]
        if stall_timeout is not None and self.received:
            deadlines.append((begun + stall_timeout, 1))
        if stall_timeout is not None and self._interim > _PATIENT_INTERIM:
            deadlines.append((self._first_interim + stall_timeout, 2))
        deadline, which = min(deadlines, default=(math.inf, 0))
        try:
            if deadline <= now:
                raise TimeoutError
            count = self.receive(deadline - now if deadlines else None)
        except TimeoutError:
            reason, flag = (
                (f"no answer for {timeout or 0:g} s", "--response-timeout"),
                (f"no complete answer for {stall_timeout or 0:g} s", "--stall-timeout"),
                (f"{self._interim} interim answers and no other for {stall_timeout or 0:g} s", "--stall-timeout"),
            )[which]
            raise TooSlow(reason, flag) from None
        if not count:
            within = "within its head" if self.received or self._interim else "before an answer came"
            raise ConnectionError(f"the connection was closed {within}")

    def first_digit(self) -> str:
        """Return the first digit of the status of the response that is being received, after interim responses.

        It is empty if that has not been received yet. Raises `InvalidResponse`.
        """
        if (head := self._parse_received()) is not None:
            return str(head.status)[0]
        return self.received[_STATUS_OFFSET : _STATUS_OFFSET + 1].decode("latin-1").strip()

    def _parse_received(self) -> ResponseHead | None:
        """Return the head of the final response, None if it has not been received yet; drops interim responses.

        Raises `InvalidResponse`.
        """
        while self._head is None and self._begins_well():
            size = head_size(self.received, self._searched)
            if self._size + (size or len(self.received)) > _HEAD_LIMIT:
                raise InvalidResponse(f"headers of more than {_HEAD_LIMIT // 1024} KiB", final=True)
            if not size:
                self._searched = len(self.received)
                break
            head = parse_head(bytes(self.received[:size]))
            del self.received[:size]
            self._size, self._searched = self._size + size, 0
            if head.interim:
                self._count_interim()
            else:
                self._head = head
        return self._head

    def _count_interim(self) -> None:
        self._interim += 1
        self._first_interim = self._first_interim or time.monotonic()
        if self._interim > _INTERIM_LIMIT:
            raise InvalidResponse(f"more than {_INTERIM_LIMIT} interim answers", final=True)

    def _begins_well(self) -> bool:
        """Return whether there are bytes, all of which may be the start of a response; skips one empty line.

        Raises `InvalidResponse` as soon as the first bytes are those of another protocol.
        """
        if not self._empty_line and self.received.startswith((b"\r\n", b"\n")):
            del self.received[: self.received.index(b"\n") + 1]
            self._empty_line = True
        if not self.received or (self.received == b"\r" and not self._empty_line):
            return False
        first = bytes(self.received[: len(_START)])
        if not _START.startswith(first):
            raise InvalidResponse(f"it begins with {ascii(bytes(self.received[:60]).decode('latin-1'))}")
        return True

    def is_readable(self, seconds: float) -> bool:
        """Return whether the server has sent something that was not received, or has closed, after waiting for that."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()
