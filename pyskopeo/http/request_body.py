"""A request's body that a worker thread writes while the request is under way."""

from __future__ import annotations

import http.client
import select
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial

import anyio

from ..errors import ConnectionFailed, NetworkError, Stalled
from ..streams.cancellation import on_cancel
from .httpx_import import httpx
from .loop_bridge import run_in_loop

# How long a server that stopped listening may take to say why.
_LAST_WORDS = 5.0
# How long it may take to notice that nothing more comes.
_PARTING = 0.5
_LAST_CHUNK = b"0\r\n\r\n"


class Outgoing(httpx.AsyncByteStream):
    """Written by one worker thread (`write`), sent by whatever transport sends the request.

    Our own transport hands over its connection (`carry`), and what is written goes straight to the
    socket; any other httpx transport iterates. ``failure`` is set when the other side stopped
    listening. A cancellation of either thread's work is a `stop`.
    """

    def __init__(self) -> None:
        self._ready, self._ended = threading.Event(), threading.Event()
        self._writing = threading.Lock()
        self._write: Callable[[memoryview], None] | None = None
        self._close: Callable[[], None] = lambda: None
        self._drop: Callable[[], None] = lambda: None
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
                        self._write(buffer)
                except TimeoutError:
                    self._fail(Stalled("no progress in sending (--stall-timeout)"))
                except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                    reason = str(error) or type(error).__name__
                    self._fail(ConnectionFailed(f"connection lost while sending: {reason}"))
        if self.failure is not None:
            raise self.failure

    def finish(self) -> None:
        """All is written, and the answer may come. Called in the event loop."""
        self.complete = self.failure is None
        self._ended.set()
        self._close()

    def stop(self) -> None:
        """Break off: `write` raises, `carry` returns or raises. Called in the event loop."""
        self._given_up = True
        self._fail(ConnectionFailed("the server answered before all was sent"))
        self._drop()

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
        self._write = partial(_transmit, connection.sock, chunked)
        with on_cancel(self.stop):
            self._ready.set()
            self._ended.wait()
            if not self.complete:
                self._break_off(connection.sock, chunked=chunked)
                return
        # A complete body needs no orderly end: a cancellation may cut the connection now.
        if chunked:
            connection.sock.sendall(_LAST_CHUNK)

    def _break_off(self, sock: socket.socket, *, chunked: bool) -> None:
        if self._given_up:
            sock.settimeout(_PARTING)
            # Between two pieces the body can be ended as if that were all, and the server says how much
            # it has; some registries do not cancel an upload otherwise.
            if not (chunked and self._writing.acquire(timeout=_PARTING)):
                _hang_up(sock)
                raise ConnectionFailed("given up", temporary=False)
            sock.sendall(_LAST_CHUNK)
        elif isinstance(self.failure, Stalled):
            raise self.failure  # a server that takes nothing for so long does not respond, either
        else:
            sock.settimeout(_LAST_WORDS)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        sending, receiving = anyio.create_memory_object_stream[bytes](0)

        def write(buffer: memoryview) -> None:
            run_in_loop(partial(sending.send, bytes(buffer)))

        def drop() -> None:
            sending.close()
            receiving.close()  # wakes who waits to send, as the other does only in newer versions of anyio

        self._write, self._close, self._drop = write, sending.close, drop
        self._ready.set()
        with receiving, suppress(anyio.ClosedResourceError):
            async for piece in receiving:
                yield piece
        if not self.complete:
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


def _transmit(sock: socket.socket, chunked: bool, buffer: memoryview) -> None:
    if chunked:
        _send(sock, memoryview(b"%x\r\n" % len(buffer)))
    _send(sock, buffer)
    if chunked:
        _send(sock, memoryview(b"\r\n"))


def _send(sock: socket.socket, buffer: memoryview) -> None:
    if type(sock) is socket.socket:
        # A server that has nothing to say yet and says something refuses. TLS speaks on its own account.
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        if poll.poll(0):
            raise ConnectionError("the server answered before all was sent")
    # Not sendall(), whose timeout is for all of it: slow is not silent.
    while len(buffer):
        buffer = buffer[sock.send(buffer) :]
