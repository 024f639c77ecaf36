"""A threaded HTTP/1.1 server that records what it is asked and delivers its answers as badly as told."""

from __future__ import annotations

import socket
import socketserver
import ssl
import sys
import threading
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Self

from .connection import Handler, shut
from .exchange import Request, Response
from .intake import Kept, Reception
from .tls import ServerCertificate


class HttpServer:
    """The server; a context manager. Subclasses say what to `answer`, or how to `receive`.

    ``most_at_once`` is how many requests were under way at one time, ``sent`` the number of bytes of the body that was
    sent in answer to each of the `requests`.
    """

    def __init__(self, *, tls: ServerCertificate | None = None) -> None:
        self._context = tls.server_context() if tls else None
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._connections: dict[int, socket.socket] = {}
        self._count = 0
        self._busy = 0
        self.most_at_once = 0
        self.sent: list[int] = []
        self.failures: list[str] = []
        self.stopping = threading.Event()
        self.stalling = threading.Event()
        self._server = Listener(("127.0.0.1", 0), Handler, bind_and_activate=True)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def answer(self, request: Request) -> Response:
        """The response to ``request``; called in the connection's thread."""
        raise NotImplementedError

    def receive(self, request: Request) -> Reception:
        """What to do with a request whose body is still to come; keeps it, and then asks for the `answer`."""
        return Kept(self.answer)

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 it listens on."""
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, as it stands in image names."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The origin, without a slash at its end."""
        return f"{'https' if self._context else 'http'}://{self.host}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests so far, in order of arrival."""
        with self._lock:
            return tuple(self._requests)

    @property
    def log(self) -> list[str]:
        """All requests so far as ``METHOD /path?query``."""
        return [f"{request.method} {request.target}" for request in self.requests]

    @property
    def secrets_seen(self) -> list[str]:
        """Each header value with which a client said who it is."""
        names = ("authorization", "cookie", "proxy-authorization", "x-registry-auth")
        return [value for request in self.requests for key, value in request.headers if key.lower() in names]

    @property
    def connections_seen(self) -> int:
        """How many connections were made so far."""
        return self._count

    @property
    def open_connections(self) -> int:
        """How many connections there are now."""
        with self._lock:
            return len(self._connections)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        with self._lock:
            for connection in self._connections.values():
                shut(connection)
        self._server.server_close()
        self._thread.join(5)
        if error is None and self.failures:
            raise AssertionError("the server of the test failed: " + "; ".join(self.failures))

    def opened(self, connection: socket.socket) -> int:
        """A connection was made; this is its number."""
        with self._lock:
            self._count += 1
            self._connections[self._count] = connection
            if self.stopping.is_set():
                shut(connection)
            return self._count

    def wrapped(self, number: int, connection: socket.socket) -> None:
        """It continues as this one."""
        with self._lock:
            self._connections[number] = connection
            if self.stopping.is_set():
                shut(connection)

    def closed(self, number: int) -> None:
        """It is over."""
        with self._lock:
            self._connections.pop(number, None)

    def arrived(self, request: Request) -> int:
        """Write a request down; its body is still to come. Returns the place for `completed`."""
        with self._lock:
            self._requests.append(request)
            self.sent.append(0)
            self._busy += 1
            self.most_at_once = max(self.most_at_once, self._busy)
            return len(self._requests) - 1

    def completed(self, place: int, request: Request) -> None:
        """Its body has come; nothing, if the test has forgotten the request meanwhile."""
        with self._lock:
            if place < len(self._requests) and self._requests[place].received == request.received:
                self._requests[place] = request

    def finished(self) -> None:
        """A request was answered, or broken off."""
        with self._lock:
            self._busy -= 1

    def delivered(self, place: int, count: int) -> None:
        """So many more bytes of the body were sent in answer to the request at this place."""
        self.sent[place] += count

    def context(self) -> ssl.SSLContext | None:
        """For TLS."""
        return self._context


class Listener(ThreadingHTTPServer):
    """What accepts connections for its ``owner``."""

    daemon_threads = False
    request_queue_size = 128
    owner: HttpServer

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks up the name of the machine.
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # connections end as they please; our own mistakes do not
            self.owner.failures.append(repr(error))
