"""What a request brought, and who owns its connection.

A connection belongs to the thread that talks on it, then to the pool or to the response's reader. Only the
thread that blocks on a socket has it shut down when its work is cancelled (`on_cancel`), and stops that
before it hands over or closes the connection: after that, the number of its descriptor may be another's.
"""

from __future__ import annotations

import http.client
import socket
from contextlib import suppress

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Exchange:
    """The head of a response; ``body`` if it was short, else its connection belongs to whoever has this.

    ``sock`` is that of the connection: http.client forgets it for one that will close. ``peer`` is the
    address of the other side, None through a proxy.
    """

    connection: http.client.HTTPConnection
    sock: socket.socket
    response: http.client.HTTPResponse
    headers: list[tuple[bytes, bytes]]
    peer: str | None
    body: bytes | None

    def discard(self) -> None:
        """Close the connection, unless it is in the pool already."""
        if self.body is None:
            self.response.close()
            self.connection.close()


def shut(sock: socket.socket) -> None:
    """Wake the thread that reads from or writes to ``sock``."""
    with suppress(OSError):  # already gone, which is what was wanted
        # Not SSLSocket's, which takes the cipher away from the thread that is reading: it would go
        # on with the bytes as they are on the wire.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
