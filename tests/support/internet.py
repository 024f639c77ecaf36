"""The internet, on loopback: a proxy through which real names lead to a server of the test, and nowhere else."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Collection
from types import TracebackType
from typing import Self

_LONGEST_HEAD = 8192


class Internet:
    """A proxy for ``https`` (CONNECT, RFC 9110 section 9.3.6); a context manager.

    Whatever of ``names`` is asked for, the connection goes to ``port`` of this machine; any other name is
    answered with 502. ``asked`` has the names in order.
    """

    def __init__(self, names: Collection[str], port: int) -> None:
        self.names, self.port = names, port
        self.asked: list[str] = []
        self._server = _Listener(("127.0.0.1", 0), _Tunnel)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """For ``HTTPS_PROXY``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: Internet


class _Tunnel(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Listener)
        client: socket.socket = self.request
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD and (more := client.recv(1024)):
            head += more
        method, _, rest = head.decode("latin-1").partition(" ")
        name = rest.partition(" ")[0].rpartition(":")[0]
        self.server.owner.asked.append(name)
        if method != "CONNECT" or name not in self.server.owner.names:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self.server.owner.port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pass, args=(server, client), daemon=True)
            back.start()
            _pass(client, server)
            back.join()


def _pass(source: socket.socket, target: socket.socket) -> None:
    """Bytes until there are no more; then the other side hears so."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # one of them is gone; neither has to wait for the other
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
