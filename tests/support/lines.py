"""A connection of `http.client` whose other end is the test."""

from __future__ import annotations

import http.client
import socket


class Line:
    """A connection whose other end is ours."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.far.settimeout(2)
        self.connection = http.client.HTTPConnection("x")
        self.connection.sock = self.near

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
