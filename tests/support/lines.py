"""A connection whose other end is the test, and a socket that is a script."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import cast

from pyskopeo.http.connection import Connection


class Line:
    """A connection whose other end is ours."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.far.settimeout(2)
        self.connection = Connection(self.near)

    @property
    def is_open(self) -> bool:
        """Whether the other end can still hear from this one."""
        self.far.settimeout(0)
        try:
            return self.far.recv(1) != b""
        except BlockingIOError:
            return True

    def close(self) -> None:
        self.connection.close()
        self.near.close()
        self.far.close()


class ScriptedSocket:
    """A socket from which these pieces are received, then the end of the stream; what is sent is kept."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""
        self.received = 0
        self.sent = bytearray()

    def settimeout(self, seconds: float | None) -> None:
        """There is nothing to wait for."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._rest = self._rest or next(self._pieces, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        self.received += len(piece)
        return piece

    def recv_into(self, buffer: memoryview) -> int:
        piece = self.recv(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def send(self, data: memoryview) -> int:
        self.sent += data
        return len(data)


def connection_to(*pieces: bytes, endless: bool = False) -> Connection:
    """A connection on which ``pieces`` are received, then the last of them without end if ``endless``."""

    def received() -> Iterable[bytes]:
        yield from filter(None, pieces)
        while endless:
            yield pieces[-1]

    return Connection(cast("socket.socket", ScriptedSocket(received())))
