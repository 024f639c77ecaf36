"""Read the body of a response (RFC 9112 section 6) with few system calls. Blocking; runs in worker threads."""

from __future__ import annotations

import http.client
import socket
import struct
import time
from collections.abc import Callable

# Seconds after which a read returns what it has, so that progress is shown, and a slow server is not
# taken for one that stalls.
_COLLECT_SECONDS = 0.2


class ResponseBody:
    """The body of one response: its framing by http.client, its bytes from the socket.

    Reading raises `TimeoutError` after ``stall_timeout`` seconds without a byte (None: never), `ConnectionError` when
    the body ends early, and what http.client raises.
    """

    def __init__(
        self, response: http.client.HTTPResponse, sock: socket.socket | None, stall_timeout: float | None
    ) -> None:
        self._response, self._socket, self._stall_timeout = response, sock, stall_timeout
        self._direct = False
        self._failure: Exception | None = None
        self._uses_waitall = type(sock) is socket.socket and hasattr(socket, "MSG_WAITALL")
        # TLS returns one record of at most 16 KiB per call; SSLSocket.read has the least overhead for that.
        self._read_record: Callable[[int, memoryview], int] | None = getattr(sock, "read", None)

    def readinto(self, buffer: memoryview) -> int:
        """Read into ``buffer``, mostly until it is full, and return the number of bytes; 0 at the end."""
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
            # Read only the content of http.client's buffer, or fill it once: readinto1 would also read from
            # the socket, and lose the buffered bytes if that fails.
            file = self._response.fp
            held = len(file.peek())
            count = file.readinto(window[:held])
            if count == held and self._socket is not None:
                self._go_direct(self._socket)
            return count
        if self._uses_waitall:
            return self._wait_all(self._socket, window)
        read_record = self._read_record
        if read_record is None:
            return self._collect(self._socket.recv_into, window)
        return self._collect(lambda rest: read_record(len(rest), rest), window)

    def _go_direct(self, sock: socket.socket) -> None:
        self._direct = True
        if self._uses_waitall:
            # On a blocking socket with a timeout of the kernel, one call fills the whole buffer. With a timeout
            # of Python the socket is non-blocking, and a call returns the bytes that have arrived.
            seconds = min(_COLLECT_SECONDS, self._stall_timeout or _COLLECT_SECONDS)
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
        # As http.client's read1(), but without a copy; its readinto() would block until the window is full.
        left = self._response._get_chunk_left()  # type: ignore[attr-defined]  # noqa: SLF001
        if left is None:
            return 0
        count = self._response.fp.readinto1(window[:left])
        if not count:
            raise http.client.IncompleteRead(b"")
        self._response.chunk_left = left - count
        return count

    def _collect(self, read: Callable[[memoryview], int], window: memoryview) -> int:
        """Call ``read`` until the window is full, the body ends or `_COLLECT_SECONDS` have passed.

        After a failure the bytes read before it are returned, and the next call raises: a download is resumed
        at the first byte that was not returned.
        """
        total, deadline = 0, time.monotonic() + _COLLECT_SECONDS
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
