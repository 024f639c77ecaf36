"""Read the body of a response (RFC 9112 section 6) with few system calls. Blocking; runs in worker threads."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

from .chunked_coding import ChunkedDecoder
from .connection import Connection
from .response_head import Framing, InvalidResponse
from .time_limits import DocumentDeadline

# Seconds after which a read returns what it has, so that progress is shown, and a slow server is not
# taken for one that stalls.
_COLLECT_SECONDS = 0.2
# Bytes. The rest of a chunk from this size on is received into the caller's buffer.
_LARGE = 16 * 1024
# Bytes of a document that are received at once.
_PIECE = 64 * 1024


class ResponseBody:
    """The body of one response.

    Reading raises `TimeoutError` after ``stall_timeout`` seconds without a byte (None: never), `ConnectionError` when
    the body ends early, and `InvalidResponse`. ``ended`` is whether it has been read to its end; then the connection
    can be used again if ``reusable``.
    """

    def __init__(self, connection: Connection, framing: Framing, stall_timeout: float | None) -> None:
        self._connection, self._stall_timeout, self._persistent = connection, stall_timeout, framing.persistent
        self._chunks = ChunkedDecoder(framing.length) if framing.chunked else None
        self.length = None if framing.chunked else framing.length
        self.ended = self.length == 0
        self._direct = False
        self._failure: Exception | None = None
        sock = connection.sock
        self._uses_waitall = type(sock) is socket.socket and hasattr(socket, "MSG_WAITALL")
        # TLS returns one record of at most 16 KiB per call; SSLSocket.read has the least overhead for that.
        self._read_record: Callable[[int, memoryview], int] | None = getattr(sock, "read", None)

    @property
    def reusable(self) -> bool:
        """Whether the connection can be used for another request: nothing of this response is left on it."""
        return self.ended and self._persistent and not self._connection.received

    def is_document(self) -> None:
        """Say that the body is a document, on which other requests wait: it does not wait for rate limits of blobs."""

    def readinto(self, buffer: memoryview) -> int:
        """Read into ``buffer``, mostly until it is full, and return the number of bytes; 0 at the end."""
        if self._failure is not None:
            raise self._failure
        if self.ended:
            return 0
        if self._chunks is not None:
            return self._collect(self._read_chunk, buffer)
        return self._counted(self._read(buffer[: self.length]))

    @property
    def ends_with_connection(self) -> bool:
        """Whether nothing but the end of the connection says where the body ends."""
        return self._chunks is None and self.length is None

    def read_document(self, limit: int, deadline: DocumentDeadline) -> tuple[bytes, bool]:
        """Return the body, or more than ``limit`` bytes of it, and whether that came before ``deadline``.

        Raises as `readinto`. To be called once, instead of it.
        """
        self.is_document()
        content = bytearray()
        try:
            while not self.ended and len(content) <= limit:
                self._stall_timeout = deadline.wait(len(content))
                content += self._receive_piece(min(limit + 1 - len(content), _PIECE))
        except TimeoutError:
            if deadline.left(len(content)):
                raise
            return bytes(content), False
        return bytes(content), True

    def _receive_piece(self, size: int) -> memoryview:
        """Return some of the next ``size`` bytes, none at the end."""
        connection, window = self._connection, memoryview(bytearray(size))
        if self._chunks is not None:
            return window[: self._read_chunk(window)]
        if not connection.received:
            connection.receive(self._stall_timeout, size)
        return window[: self._counted(self._take_received(window[: self.length]))]

    def _counted(self, count: int) -> int:
        """Return ``count``, the bytes of the body that were read, after counting them; 0 where the connection ends."""
        if self.length is None:
            self.ended = not count
        elif not count:
            raise ConnectionError(f"closed with {self.length} bytes to go")
        else:
            self.length -= count
            self.ended = not self.length
        return count

    def read_all(self, deadline: DocumentDeadline) -> bytes:
        """Return a short body of known length; less, if the server closes the connection before its end.

        Raises `TimeoutError`, which is `TooSlow` after ``deadline``.
        """
        connection, length = self._connection, self.length or 0
        while len(connection.received) < length:
            wait = deadline.wait(len(connection.received))
            try:
                if not connection.receive(wait):
                    break
            except TimeoutError:
                deadline.wait(len(connection.received))
                raise
        content = bytes(connection.received[:length])
        del connection.received[:length]
        self.length = length - len(content)
        self.ended = not self.length
        return content

    def _read(self, window: memoryview) -> int:
        if count := self._take_received(window):
            return count
        if not self._direct:
            self._go_direct()
        sock = self._connection.sock
        if self._uses_waitall:
            return self._wait_all(sock, window)
        read_record = self._read_record
        if read_record is None:
            return self._collect(sock.recv_into, window)
        return self._collect(lambda rest: read_record(len(rest), rest), window)

    def _take_received(self, window: memoryview) -> int:
        received = self._connection.received
        count = min(len(received), len(window))
        if count:
            window[:count] = received[:count]
            del received[:count]
        return count

    def _go_direct(self) -> None:
        self._direct = True
        sock = self._connection.sock
        if not self._uses_waitall:
            sock.settimeout(self._stall_timeout)
            return
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
        chunks, connection = self._chunks, self._connection
        assert chunks is not None
        if not chunks.left:
            self._read_framing(chunks)
            if chunks.ended:
                self.ended = True
                return 0
        window = window[: min(len(window), chunks.left)]
        count = self._take_received(window)
        if not count and len(window) >= _LARGE:
            connection.sock.settimeout(self._stall_timeout)
            count = connection.sock.recv_into(window)
        elif not count and connection.receive(self._stall_timeout):
            count = self._take_received(window)
        if not count:
            raise ConnectionError("closed within a chunk")
        chunks.consume(count)
        return count

    def _read_framing(self, chunks: ChunkedDecoder) -> None:
        """Read up to the next chunk, or the end of the trailers; all of it has to come within the stall timeout."""
        deadline = None if self._stall_timeout is None else time.monotonic() + self._stall_timeout
        while not chunks.advance(self._connection.received):
            wait = None if deadline is None else deadline - time.monotonic()
            if wait is not None and wait <= 0:
                raise TimeoutError
            if not self._connection.receive(wait) and not chunks.close():
                raise ConnectionError("closed between two chunks")
            if chunks.ended:
                self._persistent = False
                return

    def _collect(self, read: Callable[[memoryview], int], window: memoryview) -> int:
        """Call ``read`` until the window is full, the body ends or `_COLLECT_SECONDS` have passed.

        After a failure the bytes read before it are returned, and the next call raises: a download is resumed
        at the first byte that was not returned.
        """
        total, deadline = 0, time.monotonic() + _COLLECT_SECONDS
        while total < len(window):
            try:
                count = read(window[total:])
            except (OSError, ValueError, InvalidResponse) as error:
                if not total:
                    raise
                self._failure = error
                break
            total += count
            if not count or time.monotonic() > deadline:
                break
        return total
