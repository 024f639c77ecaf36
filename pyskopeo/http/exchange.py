"""The result of a request: the head of its response, and the connection.

A connection is owned by the thread that sends the request, then by the pool or by the response's reader. Only the
thread that blocks on a socket has it shut down when its work is cancelled (`on_cancel`), and ends that before it
hands over or closes the connection: after that, the number of the file descriptor may be reused.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from ..fast_dataclass import dataclass
from .connection import Connection
from .response_body import ResponseBody
from .response_head import ResponseHead


@dataclass(frozen=True, slots=True)
class Exchange:
    """The head of a response, its body, and its ``content`` if the body has been read already.

    Otherwise ``content`` is None, and the owner of this object owns the connection. ``peer`` is the IP address of the
    server, None through a proxy.
    """

    connection: Connection
    head: ResponseHead
    body: ResponseBody
    peer: str | None
    content: bytes | None

    def discard(self) -> None:
        """Close the connection, unless it is back in the pool."""
        if self.content is None:
            self.connection.close()


def shutdown_socket(sock: socket.socket) -> None:
    """Shut down ``sock`` in both directions, which wakes the thread that reads from or writes to it."""
    with suppress(OSError):  # it is closed already
        # Not SSLSocket.shutdown, which drops the TLS state: the thread that is reading would go on with
        # encrypted bytes.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
