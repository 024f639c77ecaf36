"""Reading a response's body with as few calls as the socket allows. Blocking; runs in worker threads."""

from __future__ import annotations

import http.client
import socket
import struct
import time
from collections.abc import Callable

# How long one read may collect before it hands over what there is: progress is seen, and a slow
# server is not mistaken for a silent one.
_SLICE = 0.2


class Body:
    """The body of one response.

    Raises `TimeoutError` after ``stall_timeout`` seconds without a byte (None: never), `ConnectionError` when the
    body ends early, and what http.client raises.
    """

    def __init__(
        self, response: http.client.HTTPResponse, sock: socket.socket | None, stall_timeout: float | None
    ) -> None:
        self._response, self._socket, self._stall_timeout = response, sock, stall_timeout
        self._direct = False
        self._failure: Exception | None = None
        self._waits = type(sock) is socket.socket and hasattr(socket, "MSG_WAITALL")
        # TLS hands out one record of at most 16 KiB at a time; its own call is the shortest way to one.
        self._record: Callable[[int, memoryview], int] | None = getattr(sock, "read", None)

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of ``buffer``, mostly all of it; 0 at the end."""
        response = self._response
        if self._failure is not None:
            raise self._failure
        if response.isclosed():
            return 0
        if response.chunked:
            return self._collect(self._read_chunk, buffer)
        if response.length is None:
            count = self._read(buffer)
            if not count:
                response.close()
            return count
        if not response.length:
            response.close()
            return 0
        window = buffer[: min(len(buffer), response.length)]
        count = self._read(window)
        if not count:
            raise ConnectionError(f"closed with {response.length} bytes to go")
        response.length -= count
        if not response.length:
            response.close()
        return count

    def _read(self, window: memoryview) -> int:
        if not self._direct or self._socket is None:
            # Only what is held back in http.client's buffer, or one small read into it: readinto1
            # would go on to the socket, and throw this away if nothing comes from there.
            file = self._response.fp
            held = len(file.peek())
            count = file.readinto(window[:held])
            if count == held and self._socket is not None:
                self._go_direct(self._socket)
            return count
        if self._waits:
            return self._wait_all(self._socket, window)
        record = self._record
        if record is None:
            return self._collect(self._socket.recv_into, window)
        return self._collect(lambda rest: record(len(rest), rest), window)

    def _go_direct(self, sock: socket.socket) -> None:
        self._direct = True
        if self._waits:
            # A blocking socket with a kernel timeout fills a whole buffer in one call; Python's own
            # timeout makes it non-blocking, and a call would return with whatever has just come.
            seconds = min(_SLICE, self._stall_timeout or _SLICE)
            sock.settimeout(None)
            interval = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)

    def _wait_all(self, sock: socket.socket, window: memoryview) -> int:
        silent_since = time.monotonic()
        while True:
            try:
                return sock.recv_into(window, 0, socket.MSG_WAITALL)
            except BlockingIOError:
                if self._stall_timeout is not None and time.monotonic() - silent_since >= self._stall_timeout:
                    raise TimeoutError from None

    def _read_chunk(self, window: memoryview) -> int:
        # As http.client's read1(), but without a copy; its readinto() would wait until the window is full.
        left = self._response._get_chunk_left()  # type: ignore[attr-defined]  # noqa: SLF001
        if left is None:
            return 0
        count = self._response.fp.readinto1(window[:left])
        if not count:
            raise http.client.IncompleteRead(b"")
        self._response.chunk_left = left - count
        return count

    def _collect(self, read: Callable[[memoryview], int], window: memoryview) -> int:
        """Call ``read`` until the window is full, the body ends or a moment has passed.

        What was read before a failure is handed over, and the failure told the next time: a body is
        continued from the byte reached, and that byte should be the last one that came.
        """
        total, deadline = 0, time.monotonic() + _SLICE
        while total < len(window):
            try:
                count = read(window[total:])
            except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
                if not total:
                    raise
                self._failure = error
                break
            total += count
            if not count or time.monotonic() > deadline:
                break
        return total
