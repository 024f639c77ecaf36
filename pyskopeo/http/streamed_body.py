"""The body of a request that a worker thread writes while the request is being sent (RFC 9112 section 7.1)."""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from ..errors import ConnectionFailed, NetworkError, Stalled
from ..streams.cancellation import on_cancel
from .connection import Connection
from .exchange import shutdown_socket
from .response_head import InvalidResponse
from .time_limits import LEAST_BLOB_RATE

# How long a server that stopped reading the body may take to respond, in seconds.
_LATE_RESPONSE_SECONDS = 5.0
# How long the server may take to react to the end of the body, in seconds.
END_SECONDS = 0.5
# Bytes. The maximum of a chunk of a body that can be ended between two chunks, and the maximum at a low rate limit.
_CHUNK_SIZE, _LEAST_CHUNK_SIZE = 512 * 1024, 4 * 1024
_UNLIMITED = 1 << 60
_LAST_CHUNK = b"0\r\n\r\n"
_CHUNK_END = memoryview(b"\r\n")


class StreamedBody:
    """A request body that one worker thread writes (`write`) while another sends the request (`transmit`).

    `write` sends straight to the socket. ``failure`` is set when the server stopped reading. A cancellation of either
    thread's work stops the body, as `stop` does.

    A chunked body that is stopped is terminated between two chunks as if it were complete. That may take
    ``end_seconds``; if it takes longer, and if ``end_if_stopped`` is False, the connection is closed instead. The
    server may respond before the body has ended, which stops the body. An interim response (1xx) does not, nor with
    ``continue_on_success`` one with a status of 2xx, which is read after the end of the body.
    """

    def __init__(
        self, *, end_if_stopped: bool = True, continue_on_success: bool = False, end_seconds: float = END_SECONDS
    ) -> None:
        self._end_if_stopped, self._continue_on_success = end_if_stopped, continue_on_success
        self._end_seconds = end_seconds
        self._largest_piece = _UNLIMITED
        self._ready, self._ended = threading.Event(), threading.Event()
        self._writing = threading.Lock()
        self._write: Callable[[memoryview], None] | None = None
        self.failure: NetworkError | None = None
        self.complete = False
        self._last = b""
        self._stopped = False

    def write(self, buffer: memoryview) -> None:
        """Send ``buffer``; raises `failure`, which is a `ConnectionFailed` or `Stalled`, and `Cancelled`."""
        with on_cancel(self.stop):
            self._ready.wait()
            if self.failure is None and self._write is not None:
                try:
                    self._write_pieces(self._write, buffer)
                except TimeoutError:
                    self._fail(Stalled("no progress in sending (--stall-timeout)"))
                except InvalidResponse as error:
                    message = f"not a valid HTTP answer while sending: {error}"
                    self._fail(ConnectionFailed(message, temporary=not error.final))
                except OSError as error:
                    reason = str(error) or type(error).__name__
                    self._fail(ConnectionFailed(f"connection lost while sending: {reason}"))
        if self.failure is not None:
            raise self.failure

    def _write_pieces(self, write: Callable[[memoryview], None], buffer: memoryview) -> None:
        while len(buffer) and self.failure is None:
            with self._writing:
                if self.failure is None:  # the connection may have been closed since
                    write(buffer[: self._largest_piece])
            buffer = buffer[self._largest_piece :]

    def finish(self, last: bytes = b"") -> None:
        """Say that the body is complete with ``last``, so that the response is read. Called in the event loop."""
        self._last, self.complete = last, self.failure is None
        self._ended.set()

    def stop(self) -> None:
        """Stop sending: `write` raises, `transmit` returns or raises. Called in the event loop."""
        self._stopped = True
        self._fail(ConnectionFailed("the server answered before all was sent"))

    def _fail(self, error: NetworkError) -> None:
        if self.failure is None and not self.complete:
            self.failure = error
        self._ready.set()
        self._ended.set()

    def transmit(self, connection: Connection, *, chunked: bool) -> float | None:
        """Wait until the body is sent by `write` on ``connection``; called in the thread that sends the request.

        Returns when the response can be read: None if the body is complete, otherwise the seconds to wait for the
        response. There may be one after a failure, too: a server that closes the connection may have sent its reason.
        Raises `Stalled`, and `ConnectionFailed` for a body that was stopped.
        """
        limits = connection.limits
        kind = _SocketWriter if limits is None else _LimitedWriter
        writer = kind(connection, chunked=chunked, continue_on_success=self._continue_on_success)
        if chunked and self._end_if_stopped:
            turn = _CHUNK_SIZE if limits is None else limits.turn
            self._largest_piece = min(_CHUNK_SIZE, max(_LEAST_CHUNK_SIZE, turn))
        self._write = writer.write
        with on_cancel(self.stop):
            self._ready.set()
            self._ended.wait()
            if not self.complete:
                return self._end_early(connection.sock, chunked=chunked)
        # Now that the body is complete, a cancellation may close the connection without `_end_early`.
        try:
            if self._last:
                writer.write(memoryview(self._last))
            if chunked:
                connection.sock.sendall(_LAST_CHUNK)
        except ConnectionError:
            self.complete = False
            return _LATE_RESPONSE_SECONDS
        return None

    def _end_early(self, sock: socket.socket, *, chunked: bool) -> float:
        """End a body that is not complete. Returns the seconds to wait for a response, raises if none can come."""
        if not self._stopped:
            if isinstance(self.failure, Stalled):
                raise self.failure  # a server that reads nothing for that long does not respond either
            return _LATE_RESPONSE_SECONDS
        sock.settimeout(self._end_seconds)
        # Between two chunks the body can be terminated as if it were complete, and the server responds with the
        # number of bytes it has; some registries cannot cancel an upload otherwise.
        if chunked and self._end_if_stopped and self._writing.acquire(timeout=self._end_seconds):
            try:
                sock.sendall(_LAST_CHUNK)
            finally:
                self._writing.release()
            return self._end_seconds
        if self._end_if_stopped:
            _half_close(sock)
        shutdown_socket(sock)
        with self._writing:  # shutting the socket down has woken the thread that writes
            raise ConnectionFailed("given up", temporary=False)


def _half_close(sock: socket.socket) -> None:
    """Close the sending side, and wait until the server closes the connection.

    The next request cancels the upload, and must not reach the server before it has seen the end of this one.
    """
    with suppress(OSError):
        # socket.socket's methods, also for a TLS socket: the content of what is received does not matter.
        socket.socket.shutdown(sock, socket.SHUT_WR)
        sock.settimeout(END_SECONDS)
        while socket.socket.recv(sock, 64 * 1024):
            pass


def _queued_bytes(sock: socket.socket) -> int:
    """Return the number of bytes in the send buffer that the peer has not acknowledged; 0 if that is unknown."""
    import fcntl
    import termios

    try:
        return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):  # not on this system, or the socket has been closed
        return 0


def _rest(pieces: list[memoryview], count: int) -> list[memoryview]:
    """Return ``pieces`` without the first ``count`` bytes."""
    for n, piece in enumerate(pieces):
        if count < len(piece):
            return [piece[count:], *pieces[n + 1 :]]
        count -= len(piece)
    return []


class _SocketWriter:
    """Writes a body to a socket, and fails when the server responds before the end of the body."""

    def __init__(self, connection: Connection, *, chunked: bool, continue_on_success: bool) -> None:
        self._connection, self._chunked, self._continue_on_success = connection, chunked, continue_on_success
        self._socket = connection.sock
        self._is_plain = type(self._socket) is socket.socket
        # A TLS socket is also readable for messages of the protocol that are no response.
        self._watches_response = self._is_plain
        if self._watches_response:
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN | select.POLLOUT)

    def write(self, buffer: memoryview) -> None:
        """Send ``buffer``, as one chunk if the body is chunked.

        Raises `TimeoutError`, other `OSError`, and `InvalidResponse`.
        """
        pieces = [buffer]
        if self._chunked:
            pieces = [memoryview(b"%x\r\n" % len(buffer)), buffer, _CHUNK_END]
        if self._is_plain:  # a chunk and its framing by one call
            self._send(pieces)
        else:  # TLS has records of its own
            for piece in pieces:
                self._send([piece])

    def _send(self, pieces: list[memoryview]) -> None:
        # Not sendall(), whose timeout limits the whole buffer: a slow server has not stalled.
        while pieces:
            queued = _queued_bytes(self._socket)
            try:
                if self._watches_response:
                    self._wait()
                count = self._socket.send(pieces[0]) if len(pieces) == 1 else self._socket.sendmsg(pieces)
            except TimeoutError:
                if not self._has_progressed(queued):
                    raise
            else:
                pieces = _rest(pieces, count)

    def _has_progressed(self, queued: int) -> bool:
        """Return whether the server has received some of the ``queued`` bytes in the time of a timeout.

        The socket becomes writable only when much of its buffer is free, which takes minutes on a slow line.
        """
        seconds = self._socket.gettimeout() or 0.0
        return queued - _queued_bytes(self._socket) >= max(1.0, LEAST_BLOB_RATE * seconds)

    def _wait(self) -> None:
        """Wait until the socket is writable; raises `ConnectionError` if the server responds meanwhile."""
        seconds = self._socket.gettimeout()
        while True:
            found = self._poll.poll(None if seconds is None else seconds * 1000)
            if not found:
                raise TimeoutError
            if found[0][1] & select.POLLIN and not self._may_continue():
                raise ConnectionError("the server answered before all was sent")
            if found[0][1] & ~select.POLLIN or not self._watches_response:
                return

    def _may_continue(self) -> bool:
        """Receive what the server sends; return whether the body may be sent on although it responds."""
        if not self._connection.receive_now():
            return False
        digit = self._connection.first_digit()
        if digit in ("", "1"):
            return True
        self._watches_response = False
        return self._continue_on_success and digit == "2"


class _LimitedWriter(_SocketWriter):
    """A `_SocketWriter` within the rate limits of its connection. Waiting for them is not a stall."""

    def __init__(self, connection: Connection, *, chunked: bool, continue_on_success: bool) -> None:
        from .rate_limit import Pace

        super().__init__(connection, chunked=chunked, continue_on_success=continue_on_success)
        assert connection.limits is not None
        self._pace = Pace(connection.limits)

    def write(self, buffer: memoryview) -> None:
        """Send ``buffer``, as one chunk for each turn if the body is chunked; raises also `Cancelled`."""
        while len(buffer):
            count = self._pace.wait(len(buffer))
            super().write(buffer[:count])
            self._pace.moved(count)
            buffer = buffer[count:]
