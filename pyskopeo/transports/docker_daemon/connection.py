"""A socket to a daemon, none of whose waits is without end."""

from __future__ import annotations

import errno
import io
import select
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import Stalled
from ...streams.cancellation import check_cancelled

if TYPE_CHECKING:
    import ssl

    from _typeshed import WriteableBuffer

# Milliseconds between two looks at whether to go on.
_PATIENCE = 200
_PIECE = 256 * 1024
# What one TLS record holds: more would have to be offered again as a whole if it did not fit.
_RECORD = 16 * 1024


class Answered(Exception):
    """The daemon said something, or left, while it was still being sent to."""


class Connection:
    """A connected socket, for one thread at a time.

    Raises `Cancelled` while it waits. ``idle``, where it is set, is called when nothing moved for
    ``stall_timeout`` seconds, and returns if that is all right. With ``listening`` whatever comes in
    interrupts sending with `Answered`.
    """

    def __init__(self, sock: socket.socket, where: str, stall_timeout: float) -> None:
        sock.setblocking(False)
        self._socket, self._where, self._stall_timeout = sock, where, stall_timeout
        self.idle: Callable[[], None] | None = None
        self.listening = False
        self._secure = False

    def connect(self, target: str | tuple[object, ...], seconds: float) -> None:
        """Raises `OSError` when it is refused, `Stalled` when nothing is heard for ``seconds``."""
        end = time.monotonic() + seconds
        while code := self._socket.connect_ex(target):
            if code == errno.EISCONN:
                break
            if code not in (errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN):
                raise OSError(code, errno.errorcode.get(code, "error"))
            check_cancelled()
            if time.monotonic() > end:
                raise Stalled(f"{self._where} takes no connection for {seconds:g} s", host=self._where)
            if code == errno.EAGAIN:
                # So many wait at this socket that no more may; nobody says when that changes.
                time.sleep(_PATIENCE / 4000)
            else:
                self._poll(select.POLLOUT)

    def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Speak TLS from now on; raises `ssl.SSLError`."""
        wrapped = context.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
        self._socket, self._secure = wrapped, True
        self._repeat(wrapped.do_handshake, select.POLLIN)

    def readinto(self, buffer: memoryview) -> int:
        """Some bytes, 0 at the end; raises `OSError`, `Stalled`."""
        return self._repeat(lambda: self._socket.recv_into(buffer), select.POLLIN)

    def send_some(self, content: memoryview) -> int:
        """Send what goes at once, at least one byte; raises `Answered`, `OSError`, `Stalled`."""
        # What comes in over TLS may be TLS talking to itself.
        listening = self.listening and not self._secure
        if listening and self._poll(select.POLLIN, 0):
            raise Answered
        piece = content[: _RECORD if self._secure else _PIECE]
        return self._repeat(lambda: self._socket.send(piece), select.POLLOUT | (select.POLLIN if listening else 0))

    def send(self, content: memoryview) -> None:
        """Send all of it."""
        while content:
            content = content[self.send_some(content) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """A file to read the answer from, as http.client asks for it."""
        return io.BufferedReader(_Raw(self))

    def close(self) -> None:
        """End it, whatever was sent."""
        self._socket.close()

    def _repeat(self, operation: Callable[[], int | None], events: int) -> int:
        """Try until it does not have to wait; ``events`` are waited for unless TLS wants others."""
        since = time.monotonic()
        while True:
            try:
                return operation() or 0
            except BlockingIOError:
                wanted = events
            except OSError as error:
                # By name, so that TLS is loaded only by those who speak it.
                kinds = {"SSLWantReadError": select.POLLIN, "SSLWantWriteError": select.POLLOUT}
                if type(error).__name__ not in kinds:
                    raise
                wanted = kinds[type(error).__name__]
            since = self._wait(wanted, since)

    def _wait(self, events: int, since: float) -> float:
        """Until one of ``events``; answers with when the present patience began."""
        while not (found := self._poll(events)):
            check_cancelled()
            if time.monotonic() - since > self._stall_timeout:
                if self.idle is None:
                    raise Stalled(f"{self._where}: no progress for {self._stall_timeout:g} s", host=self._where)
                self.idle()
                since = time.monotonic()
        if events & select.POLLOUT and not found & select.POLLOUT and found & select.POLLIN:
            raise Answered
        return since

    def _poll(self, events: int, milliseconds: int = _PATIENCE) -> int:
        poll = select.poll()
        poll.register(self._socket, events)
        return sum(found for _, found in poll.poll(milliseconds))


class _Raw(io.RawIOBase):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._connection.readinto(memoryview(buffer).cast("B"))
