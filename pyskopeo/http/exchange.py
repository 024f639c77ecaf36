"""Who owns a connection while a worker thread talks and the event loop may lose interest."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import suppress
from dataclasses import field

from ..errors import ConnectionFailed
from ..fast_dataclass import dataclass


@dataclass(slots=True)
class Exchange:
    """One request under way in a worker thread, which the event loop may give up at any moment.

    `abort` is called from the event loop, everything else from the thread. ``guard`` makes each
    hand-over one step: a connection belongs to the thread, to the pool or to the response's
    reader, and only what is the thread's is shut down under its hands.
    """

    guard: threading.Lock = field(default_factory=threading.Lock)
    aborted: bool = False
    connection: http.client.HTTPConnection | None = None
    # http.client forgets the socket of a connection that will close; aborting still needs it.
    sock: socket.socket | None = None
    response: http.client.HTTPResponse | None = None
    body: bytes | None = None
    peer: str | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def connecting(self, sock: socket.socket) -> None:
        """Have `abort` end this attempt to connect, its handshake included."""
        self.forget_attempt()
        with self.guard:
            self._check()
            # A duplicate of our own, since TLS takes the descriptor out of the socket it wraps.
            self.sock = sock.dup()

    def forget_attempt(self) -> None:
        """An attempt to connect is over."""
        with self.guard:
            if self.sock is not None:
                self.sock.close()
                self.sock = None

    def connected(self, connection: http.client.HTTPConnection) -> None:
        """From here on `abort` ends this connection."""
        with self.guard:
            self._check()
            self.connection, self.sock = connection, connection.sock

    def forget(self) -> None:
        """The connection is about to be closed."""
        with self.guard:
            self.sock = None

    def let_go(self) -> None:
        """The connection is going back to the pool, where it may soon be another request's."""
        with self.guard:
            self.sock = None
            self._check()

    def finish(self, response: http.client.HTTPResponse) -> None:
        """The head is read and the body is to come: from here on `abort` closes the connection itself."""
        with self.guard:
            self._check()
            self.response = response

    def abort(self) -> None:
        """Nobody waits any more: wake the thread, or clear away what it has brought."""
        with self.guard:
            self.aborted = True
            if self.response is not None and self.connection is not None:
                self.response.close()
                self.connection.close()
            elif self.sock is not None:
                shut(self.sock)

    def _check(self) -> None:
        if self.aborted:
            # Seen by nobody: whoever waited has gone.
            raise ConnectionFailed("aborted", temporary=False)


def shut(sock: socket.socket) -> None:
    """Wake whoever reads or writes ``sock`` in another thread."""
    with suppress(OSError):  # already gone, which is what was wanted
        # Not SSLSocket's, which takes the cipher away from the thread that is reading: it would go
        # on with the bytes as they are on the wire.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
