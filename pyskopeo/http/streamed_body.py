"""A request's body that a worker thread writes while the request is under way."""

from __future__ import annotations

import http.client
import re
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from ..errors import ConnectionFailed, NetworkError, Stalled
from ..streams.cancellation import on_cancel
from .exchange import shut

# How long a server that stopped listening may take to say why.
_LAST_WORDS = 5.0
# How long it may take to notice that nothing more comes.
_PARTING = 0.5
_LAST_CHUNK = b"0\r\n\r\n"
# The beginning of a response as far as the first digit of its status.
_SUCCESS = re.compile(rb"HTTP/1\.[0-9] 2")
_STATUS_LENGTH = 10


class StreamedBody:
    """Written by one worker thread (`write`) on the connection that another has for the request (`carry`).

    What is written goes straight to the socket. ``failure`` is set when the server stopped reading. A
    cancellation of either thread's work is a `stop`.

    A chunked body that is stopped between two writes is ended as if it were complete, unless
    ``end_if_stopped`` is False: then its connection is closed. With ``continue_on_success`` a response
    with a status of 2xx does not stop the body; it is read after the end of the body.
    """

    def __init__(self, *, end_if_stopped: bool = True, continue_on_success: bool = False) -> None:
        self._end_if_stopped, self._continue_on_success = end_if_stopped, continue_on_success
        self._ready, self._ended = threading.Event(), threading.Event()
        self._writing = threading.Lock()
        self._write: Callable[[memoryview], None] | None = None
        self.failure: NetworkError | None = None
        self.complete = False
        self._given_up = False

    def write(self, buffer: memoryview) -> None:
        """Send it; raises `failure`, which is a `ConnectionFailed` or `Stalled`, and `Cancelled`."""
        with on_cancel(self.stop):
            self._ready.wait()
            if self.failure is None and self._write is not None:
                try:
                    with self._writing:
                        if self.failure is None:  # the connection may have been closed since
                            self._write(buffer)
                except TimeoutError:
                    self._fail(Stalled("no progress in sending (--stall-timeout)"))
                except OSError as error:
                    reason = str(error) or type(error).__name__
                    self._fail(ConnectionFailed(f"connection lost while sending: {reason}"))
        if self.failure is not None:
            raise self.failure

    def finish(self) -> None:
        """All is written, and the answer may come. Called in the event loop."""
        self.complete = self.failure is None
        self._ended.set()

    def stop(self) -> None:
        """Break off: `write` raises, `carry` returns or raises. Called in the event loop."""
        self._given_up = True
        self._fail(ConnectionFailed("the server answered before all was sent"))

    def _fail(self, error: NetworkError) -> None:
        if self.failure is None and not self.complete:
            self.failure = error
        self._ready.set()
        self._ended.set()

    def carry(self, connection: http.client.HTTPConnection, *, chunked: bool) -> None:
        """Let `write` use ``connection`` until the body has ended; called in the transport's thread.

        Returns when an answer can be read: after a failure, too, since a server that closes in the
        middle may have said why.
        """
        writer = _SocketWriter(connection.sock, chunked=chunked, continue_on_success=self._continue_on_success)
        self._write = writer.write
        with on_cancel(self.stop):
            self._ready.set()
            self._ended.wait()
            if not self.complete:
                self._break_off(connection.sock, chunked=chunked)
                return
        # A complete body needs no orderly end: a cancellation may cut the connection now.
        if chunked:
            try:
                connection.sock.sendall(_LAST_CHUNK)
            except ConnectionError:
                self.complete = False
                connection.sock.settimeout(_LAST_WORDS)

    def _break_off(self, sock: socket.socket, *, chunked: bool) -> None:
        if not self._given_up:
            if isinstance(self.failure, Stalled):
                raise self.failure  # a server that takes nothing for so long does not respond, either
            sock.settimeout(_LAST_WORDS)
            return
        sock.settimeout(_PARTING)
        # Between two pieces the body can be ended as if that were all, and the server says how much
        # it has; some registries do not cancel an upload otherwise.
        if chunked and self._end_if_stopped and self._writing.acquire(timeout=_PARTING):
            try:
                sock.sendall(_LAST_CHUNK)
            finally:
                self._writing.release()
            return
        if self._end_if_stopped:
            _hang_up(sock)
        shut(sock)
        with self._writing:  # the thread that writes has been woken by that
            raise ConnectionFailed("given up", temporary=False)


def _hang_up(sock: socket.socket) -> None:
    """Say that no more comes, and wait for the server to take notice: what is asked of it next, to
    forget this upload, is not to overtake that."""
    with suppress(OSError):
        # The bytes as they are on the wire, TLS or not: nobody reads them.
        socket.socket.shutdown(sock, socket.SHUT_WR)
        sock.settimeout(_PARTING)
        while socket.socket.recv(sock, 64 * 1024):
            pass


class _SocketWriter:
    """Writes a body to a socket until the server responds: a server that responds early refuses it."""

    def __init__(self, sock: socket.socket, *, chunked: bool, continue_on_success: bool) -> None:
        self._socket, self._chunked, self._continue_on_success = sock, chunked, continue_on_success
        # TLS has messages of its own, which look like a response.
        self._listens = type(sock) is socket.socket
        if self._listens:
            self._poll = select.poll()
            self._poll.register(sock, select.POLLIN | select.POLLOUT)

    def write(self, buffer: memoryview) -> None:
        """Raises `TimeoutError` and other `OSError`."""
        if self._chunked:
            self._send(memoryview(b"%x\r\n" % len(buffer)))
        self._send(buffer)
        if self._chunked:
            self._send(memoryview(b"\r\n"))

    def _send(self, buffer: memoryview) -> None:
        # Not sendall(), whose timeout is for all of it: slow is not silent.
        while len(buffer):
            if self._listens:
                self._wait()
            buffer = buffer[self._socket.send(buffer) :]

    def _wait(self) -> None:
        """Wait until there is room to send; raises `ConnectionError` if the server responds meanwhile."""
        seconds = self._socket.gettimeout()
        found = self._poll.poll(None if seconds is None else seconds * 1000)
        if not found:
            raise TimeoutError
        if found[0][1] & select.POLLIN and not self._may_continue():
            raise ConnectionError("the server answered before all was sent")

    def _may_continue(self) -> bool:
        if not self._continue_on_success:
            return False
        head = self._socket.recv(_STATUS_LENGTH, socket.MSG_PEEK)
        self._listens = len(head) < _STATUS_LENGTH
        return bool(head) and (self._listens or _SUCCESS.match(head) is not None)
