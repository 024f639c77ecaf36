"""A threaded HTTP/1.1 server that records what it is asked and delivers its answers as badly as told."""

from __future__ import annotations

import http.client
import select
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from .exchange import Request, Response
from .tls import ServerCertificate

# A test that forgets to close a stalled connection must still end.
_LONGEST_STALL = 60.0
_ENDLESS_LIMIT = 1 << 30


class HttpServer:
    """The server; a context manager. Subclasses say what to `answer`."""

    def __init__(self, *, tls: ServerCertificate | None = None) -> None:
        self._context = tls.server_context() if tls else None
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._connections: dict[int, socket.socket] = {}
        self._count = 0
        self.failures: list[str] = []
        self.stopping = threading.Event()
        self.stalling = threading.Event()
        self._server = _Listener(("127.0.0.1", 0), _Handler, bind_and_activate=True)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def answer(self, request: Request) -> Response:
        """The response to ``request``; called in the connection's thread."""
        raise NotImplementedError

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
                _shut(connection)
        self._server.server_close()
        self._thread.join(5)
        if error is None and self.failures:
            raise AssertionError("the server of the test failed: " + "; ".join(self.failures))

    def _opened(self, connection: socket.socket) -> int:
        with self._lock:
            self._count += 1
            self._connections[self._count] = connection
            if self.stopping.is_set():
                _shut(connection)
            return self._count

    def _wrapped(self, number: int, connection: socket.socket) -> None:
        with self._lock:
            self._connections[number] = connection
            if self.stopping.is_set():
                _shut(connection)

    def _closed(self, number: int) -> None:
        with self._lock:
            self._connections.pop(number, None)

    def _record(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)


class _Listener(ThreadingHTTPServer):
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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _LONGEST_STALL
    disable_nagle_algorithm = True
    server: _Listener
    number = 0

    def setup(self) -> None:
        owner = self.server.owner
        self.number = owner._opened(self.request)
        if owner._context:
            # In this thread, so that a client that never shakes hands holds up no other.
            self.request.settimeout(self.timeout)
            self.request = owner._context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
            owner._wrapped(self.number, self.request)
            try:
                self.request.do_handshake()
            except OSError:
                self.request.close()
                owner._closed(self.number)
                raise
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.owner._closed(self.number)
            if isinstance(self.request, ssl.SSLSocket):
                # wrap_socket detached the socket that the server would close.
                self.request.close()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: requests are recorded."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            self.command,
            self.path,
            tuple(self.headers.items()),
            self.rfile.read(length),
            self.number,
            time.monotonic(),
        )
        self.server.owner._record(request)
        self._deliver(self.server.owner.answer(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def _deliver(self, response: Response) -> None:
        stopping = self.server.owner.stopping
        if response.delay:
            stopping.wait(response.delay)
        if response.dropped:
            self._close(response)
            return
        self._send(_head(response))
        if self.command == "HEAD" or response.status in (204, 304):
            return
        if not self._send_body(response):
            self._close(response)

    def _send_body(self, response: Response) -> bool:
        """Whether the connection can be used again."""
        body, sent, chunked = response.body, 0, response.framing == "chunked"
        while sent < len(body) or (response.endless and sent < _ENDLESS_LIMIT):
            if sent == response.stall_at:
                self._stall()
                return False
            offset = sent % len(body)
            piece = body[offset : offset + response.piece]
            announced = len(piece)
            for stop in (response.cut_at, response.stall_at):
                if stop is not None and sent <= stop < sent + len(piece):
                    piece = piece[: stop - sent]
            if chunked:
                # The size announced is not cut: a truncated chunk, not merely a missing end.
                self._send(b"%x\r\n" % announced)
            self._send(piece)
            sent += len(piece)
            if sent == response.cut_at:
                return False
            if chunked and len(piece) == announced:
                self._send(b"\r\n")
            if response.pause and self.server.owner.stopping.wait(response.pause):
                return False
        if sent == response.stall_at:
            self._stall()
            return False
        if chunked:
            self._send(b"0\r\n\r\n")
        return response.framing != "close" and response.declared in (None, len(body))

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def _stall(self) -> None:
        owner = self.server.owner
        owner.stalling.set()
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN | select.POLLHUP)
        end = time.monotonic() + _LONGEST_STALL
        # Readable means that the client closed: it has nothing to say before our answer is complete.
        while time.monotonic() < end and not owner.stopping.wait(0.02) and not poll.poll(0):
            pass

    def _close(self, response: Response) -> None:
        self.close_connection = True
        if response.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if response.framing == "close" and response.cut_at is None and isinstance(self.connection, ssl.SSLSocket):
            # A proper end: the client is told, and its answer is not waited for.
            self.connection.settimeout(0)
            with suppress(OSError):
                self.connection.unwrap()
        _shut(self.connection)


def _head(response: Response) -> bytes:
    reason = http.client.responses.get(response.status, "Status")
    lines = [f"HTTP/1.1 {response.status} {reason}", *(f"{name}: {value}" for name, value in response.headers)]
    if response.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif response.framing == "close":
        lines.append("Connection: close")
    elif response.status not in (204, 304):
        lines.append(f"Content-Length: {len(response.body) if response.declared is None else response.declared}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # closed already by the client
        # Not SSLSocket's, which takes away what another thread may be using.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
