"""One connection of a test's server: how requests are read and answers delivered."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import struct
import time
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from .exchange import Request, Response
from .intake import Reception, Taken, take

if TYPE_CHECKING:
    from .httpd import Listener

# A test that forgets to close a stalled connection must still end.
_LONGEST_STALL = 60.0
_LONGEST_LINGER = 2.0
_ENDLESS_LIMIT = 1 << 30


class Handler(BaseHTTPRequestHandler):
    """One connection: requests in, answers out, each as badly as its `Manner` and `Response` say."""

    protocol_version = "HTTP/1.1"
    timeout = _LONGEST_STALL
    disable_nagle_algorithm = True
    server: Listener
    number = place = 0

    def setup(self) -> None:
        owner = self.server.owner
        self.number = owner.opened(self.request)
        if context := owner.context():
            # In this thread, so that a client that never shakes hands holds up no other.
            self.request.settimeout(self.timeout)
            self.request = context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
            owner.wrapped(self.number, self.request)
            try:
                self.request.do_handshake()
            except OSError:
                self.request.close()
                owner.closed(self.number)
                raise
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.owner.closed(self.number)
            if isinstance(self.request, ssl.SSLSocket):
                # wrap_socket detached the socket that the server would close.
                self.request.close()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: requests are recorded."""

    def _converse(self) -> None:
        owner = self.server.owner
        headers = tuple(self.headers.items())
        request = Request(self.command, self.path, headers, b"", self.number, time.monotonic())
        place = self.place = owner.arrived(request)
        try:
            reception = owner.receive(request)
            length, coding = self.headers.get("Content-Length"), self.headers.get("Transfer-Encoding")
            taken = take(self.rfile, length, coding, reception, owner.stopping)
            request = replace(request, body=reception.kept(), length=taken.length, cut=not taken.whole)
            owner.completed(place, request)
            reception.ended(cut=not taken.whole)
            self._respond(request, reception, taken)
        finally:
            owner.finished()

    def _respond(self, request: Request, reception: Reception, taken: Taken) -> None:
        manner = reception.manner
        if taken.whole:
            self._deliver(reception.answer(request))
        elif taken.gone or manner.then == "close":
            self._close(Response(reset=manner.reset))
        elif manner.then == "stall":
            self._stall(readable=False)
            self._close(Response())
        else:
            self._deliver(reception.answer(request).with_header("Connection", "close"))
            if manner.linger:
                self._linger()
            self.close_connection = True

    def _linger(self) -> None:
        """Let the client read the answer: closing with something unread would take it back."""
        with suppress(OSError):
            socket.socket.shutdown(self.connection, socket.SHUT_WR)
            self.connection.settimeout(_LONGEST_LINGER)
            while self.rfile.read(65536):
                pass

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _converse

    def _deliver(self, response: Response) -> None:
        stopping = self.server.owner.stopping
        if response.delay:
            stopping.wait(response.delay)
        if response.dropped:
            self._close(response)
            return
        if response.flood:
            self._flood(*response.flood, response.pause)
            self._close(response)
            return
        self._send(response.prelude + _head(response))
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
            self.server.owner.delivered(self.place, len(piece))
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

    def _flood(self, start: bytes, piece: bytes, pause: float) -> None:
        """Until the client goes away; at most a gigabyte."""
        stopping = self.server.owner.stopping
        self._send(start)
        for _ in range(_ENDLESS_LIMIT // len(piece)):
            if stopping.wait(pause) if pause else stopping.is_set():
                return
            self._send(piece)

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def _stall(self, *, readable: bool = True) -> None:
        owner = self.server.owner
        owner.stalling.set()
        poll = select.poll()
        # In an answer readable means that the client closed: it has nothing to say before all has come.
        # In a request there may be more of the body; that the client has gone is told apart.
        poll.register(self.connection.fileno(), select.POLLHUP | (select.POLLIN if readable else select.POLLRDHUP))
        end = time.monotonic() + _LONGEST_STALL
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
        shut(self.connection)


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


def shut(connection: socket.socket) -> None:
    """Close it both ways, so that whoever waits for it wakes."""
    with suppress(OSError):  # closed already by the client
        # Not SSLSocket's, which takes away what another thread may be using.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
