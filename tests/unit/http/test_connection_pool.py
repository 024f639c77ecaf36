"""Blocking requests: timeouts of one request, connections that are not kept, bodies that are cut short."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from typing import cast

import anyio
import pytest

from pyskopeo.errors import ConnectionFailed, NetworkError, Stalled
from pyskopeo.http.connect import Connector, UnixSocket, no_proxy
from pyskopeo.http.connection import Connection
from pyskopeo.http.connection_pool import ConnectionPool, ResponseReader
from pyskopeo.http.error_mapping import ErrorMapping
from pyskopeo.http.locality import Locality
from pyskopeo.http.messages import Request, Route
from pyskopeo.http.origin import Origin
from pyskopeo.http.time_limits import ResponseTimeouts, TooSlow
from pyskopeo.streams.cancellation import run_in_thread

STALL_TIMEOUT = 0.2
RESPONSE_TIMEOUT = 0.4
LONGER = 0.6
HEAD = b"HTTP/1.1 200 OK\r\n"
UNLIMITED = ResponseTimeouts(head=None, body=None)
PATIENT_HEAD = ResponseTimeouts(head=None, body=STALL_TIMEOUT)


class Errors(ErrorMapping):
    """Says which step failed."""

    def exchange_error(self, error: Exception, origin: Origin, *, after_handshake: bool = False) -> NetworkError:
        return ConnectionFailed("exchanging")

    def read_error(self, error: Exception, origin: Origin) -> NetworkError:
        return ConnectionFailed("reading")

    def stall_error(self, origin: Origin, seconds: float) -> NetworkError:
        return Stalled(f"stalled for {seconds:g} s")

    def slow_error(self, error: TooSlow, origin: Origin) -> NetworkError:
        return Stalled(f"slow: {error} {error.flags}")


class Peer:
    """A `Connector` to itself, which handles each request by ``script``; one that returns False closes."""

    proxy = staticmethod(no_proxy)
    target = UnixSocket("")
    stall_timeout, response_timeout = STALL_TIMEOUT, RESPONSE_TIMEOUT
    errors = Errors()

    def __init__(self) -> None:
        self.script: Callable[[socket.socket], bool] = lambda sock: False
        self.opened = 0
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def open(self, origin: Origin, *, reach: Locality | None = None) -> Connection:
        near, far = socket.socketpair()
        self.opened += 1
        self._threads.append(threading.Thread(target=self._serve, args=(far,)))
        self._threads[-1].start()
        return Connection(near)

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError), sock, sock.makefile("rb") as reader:
            while reader.readline():
                while reader.readline().strip():
                    pass
                if not self.script(sock):
                    return

    def close(self) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()


@pytest.fixture
def peer() -> Iterator[Peer]:
    found = Peer()
    yield found
    found.close()


def pool(peer: Peer, **settings: None) -> ConnectionPool:
    return ConnectionPool(cast("Connector", peer), **settings)


def send(
    connections: ConnectionPool, timeouts: ResponseTimeouts | None = None, headers: dict[str, str] | None = None
) -> bytes:
    """The whole body of a response."""
    request = Request("GET", Route(Origin.of("http://host")), "/", tuple((headers or {}).items()), timeouts=timeouts)
    exchange = connections.send(request)
    assert exchange.head.status == 200
    if exchange.content is not None:
        return exchange.content
    with closing(ResponseReader(connections, request.route, exchange)) as response:
        body, buffer = bytearray(), memoryview(bytearray(1000))
        while count := response.readinto(buffer):
            body += buffer[:count]
        return bytes(body)


def ok(sock: socket.socket) -> bool:
    sock.sendall(HEAD + b"Content-Length: 2\r\n\r\nok")
    return True


def slow_head(peer: Peer) -> Callable[[socket.socket], bool]:
    def script(sock: socket.socket) -> bool:
        peer.stopping.wait(LONGER)
        return ok(sock)

    return script


def slow_body(peer: Peer) -> Callable[[socket.socket], bool]:
    def script(sock: socket.socket) -> bool:
        sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n")
        peer.stopping.wait(LONGER)
        sock.sendall(b"ok\r\n0\r\n\r\n")
        return True

    return script


def test_a_head_that_comes_late(peer: Peer) -> None:
    peer.script = slow_head(peer)
    connections = pool(peer)
    with pytest.raises(Stalled, match="slow: no answer for 0.4 s --response-timeout"):
        send(connections)
    for timeouts in (UNLIMITED, PATIENT_HEAD):
        assert send(connections, timeouts) == b"ok"
    connections.close()


def test_waiting_for_a_head_is_no_stall(peer: Peer) -> None:
    def script(sock: socket.socket) -> bool:
        peer.stopping.wait(0.25)
        return ok(sock)

    peer.script = script
    assert send(connections := pool(peer)) == b"ok"
    connections.close()


@pytest.mark.parametrize("content", [HEAD, HEAD + b"X: y\r\nContent-Length: 300\r\n\r\n"])
def test_a_byte_from_time_to_time_is_too_slow(content: bytes, peer: Peer) -> None:
    """Of a head, or of a short body: neither stalls, and neither would end."""

    def script(sock: socket.socket) -> bool:
        sock.sendall(content)
        while not peer.stopping.wait(0.05):
            sock.sendall(b"x")
        return False

    peer.script = script
    with pytest.raises(Stalled, match="slow: (no complete answer for 0.2 s|the answer comes too slowly, only [0-9]+ bytes)"):
        send(pool(peer))


def test_interim_answers_that_come_slowly_are_too_slow(peer: Peer) -> None:
    def script(sock: socket.socket) -> bool:
        while not peer.stopping.wait(0.02):
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return False

    peer.script = script
    for timeouts in (None, UNLIMITED):
        with pytest.raises(Stalled, match="slow: [0-9]+ interim answers and no other for 0.2 s"):
            send(pool(peer), timeouts)


def test_a_large_request_that_is_read_slowly_does_not_stall(peer: Peer) -> None:
    """It moves all the time, though it takes longer than the timeout."""

    def script(sock: socket.socket) -> bool:
        sock.settimeout(0.1)
        with suppress(TimeoutError):
            while sock.recv(100_000):
                peer.stopping.wait(0.01)
        return ok(sock)

    peer.script = script
    request = Request("PUT", Route(Origin.of("http://host")), "/", (), bytes(4_000_000))
    connections = pool(peer)
    assert connections.send(request).content == b"ok"
    connections.close()


def test_bytes_after_a_response_are_no_response(peer: Peer) -> None:
    """They would be taken for the response to the next request (response splitting)."""

    def script(sock: socket.socket) -> bool:
        sock.sendall((HEAD + b"Content-Length: 2\r\n\r\nok") * 2)
        return True

    peer.script = script
    connections = pool(peer)
    for _ in range(3):
        assert send(connections) == b"ok"
    connections.close()
    assert peer.opened == 3


@pytest.mark.parametrize("timeouts", [None, PATIENT_HEAD])
def test_a_body_that_comes_late(timeouts: ResponseTimeouts | None, peer: Peer) -> None:
    peer.script = slow_body(peer)
    connections = pool(peer)
    with pytest.raises(Stalled, match="stalled for 0.2 s"):
        send(connections, timeouts)
    assert send(connections, UNLIMITED) == b"ok"
    connections.close()


@pytest.mark.parametrize("length", [2, 100_000])
def test_a_body_of_known_length_that_comes_late(length: int, peer: Peer) -> None:
    def script(sock: socket.socket) -> bool:
        sock.sendall(HEAD + b"Content-Length: %d\r\n\r\nx" % length)
        peer.stopping.wait(LONGER)
        sock.sendall(bytes(length - 1))
        return True

    peer.script = script
    connections = pool(peer, prefetch=None)
    with pytest.raises(Stalled):
        send(connections)
    assert len(send(connections, UNLIMITED)) == length
    connections.close()


@pytest.mark.anyio
async def test_an_unlimited_wait_can_be_cancelled(peer: Peer) -> None:
    peer.script = slow_head(peer)
    begun = time.monotonic()
    with anyio.move_on_after(0.1) as scope:
        await run_in_thread(partial(send, pool(peer), UNLIMITED))
    assert scope.cancelled_caught
    assert time.monotonic() - begun < LONGER


def test_timeouts_of_a_request_are_not_those_of_the_next(peer: Peer) -> None:
    peer.script = ok
    connections = pool(peer)
    send(connections, UNLIMITED)
    peer.script = slow_head(peer)
    with pytest.raises(Stalled):
        send(connections)
    assert peer.opened == 1


@pytest.mark.parametrize(
    ("headers", "opened"),
    [({}, 1), ({"connection": "close"}, 2), ({"Connection": "Close"}, 2), ({"Connection": "x"}, 1)],
)
def test_connections_that_are_not_kept(headers: dict[str, str], opened: int, peer: Peer) -> None:
    peer.script = ok
    connections = pool(peer)
    for _ in range(2):
        assert send(connections, headers=headers) == b"ok"
    connections.close()
    assert peer.opened == opened


def test_a_body_that_is_cut_short(peer: Peer) -> None:
    def script(sock: socket.socket) -> bool:
        sock.sendall(HEAD + b"Content-Length: 9\r\nX: y\r\n\r\npart")
        return False

    peer.script = script
    with pytest.raises(ConnectionFailed, match="the answer was cut short, 4 of 9 bytes came"):
        send(pool(peer))
    connections, request = pool(peer, prefetch=None), Request("GET", Route(Origin.of("http://host")), "/", ())
    with closing(ResponseReader(connections, request.route, connections.send(request))) as response:
        assert (response.status, response.header("x"), response.header("z")) == (200, "y", "")
        buffer = memoryview(bytearray(10))
        assert bytes(buffer[: response.readinto(buffer)]) == b"part"
        with pytest.raises(ConnectionFailed, match="reading"):
            response.readinto(buffer)


@pytest.mark.parametrize(("rest", "opened"), [(b"1234", 1), (b"", 2)])
def test_the_body_of_a_redirect_is_not_waited_for(rest: bytes, opened: int, peer: Peer) -> None:
    """It is of no use; its connection is used again if it is there."""

    def script(sock: socket.socket) -> bool:
        sock.sendall(b"HTTP/1.1 307 X\r\nLocation: /x\r\nContent-Length: 5\r\n\r\nz" + rest)
        if not rest:
            peer.stopping.wait(10)
        peer.script = ok
        return True

    peer.script = script
    connections, request = pool(peer), Request("GET", Route(Origin.of("http://host")), "/", ())
    exchange = connections.send(request)
    assert (exchange.head.status, exchange.content) == (307, b"z1234" if rest else None)
    ResponseReader(connections, request.route, exchange).close()
    peer.script = ok
    assert send(connections) == b"ok"
    assert peer.opened == opened
    peer.stopping.set()
    connections.close()


def test_what_is_no_response(peer: Peer) -> None:
    def script(sock: socket.socket) -> bool:
        sock.sendall(b"SSH-2.0-x\r\n")
        return False

    peer.script = script
    with pytest.raises(ConnectionFailed, match="exchanging"):
        send(pool(peer))


def test_chunks_are_read_as_they_come(peer: Peer) -> None:
    """Not only when the buffer is full, and never beyond a chunk."""

    def script(sock: socket.socket) -> bool:
        sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n" + b"a" * 50)
        more.wait(5)
        sock.sendall(b"b" * 50 + b"\r\n3;x=y\r\nccc\r\n0\r\nTrailer: z\r\n\r\n")
        return True

    more = threading.Event()
    peer.script = script
    connections, request = pool(peer), Request("GET", Route(Origin.of("http://host")), "/", (), timeouts=UNLIMITED)
    with closing(ResponseReader(connections, request.route, connections.send(request))) as response:
        buffer, body = memoryview(bytearray(50)), bytearray()
        while count := response.readinto(buffer):
            body += buffer[:count]
            more.set()
        assert body == b"a" * 50 + b"b" * 50 + b"ccc"
        assert response.readinto(buffer) == 0
    peer.script = ok
    assert send(connections) == b"ok"
    connections.close()
    assert peer.opened == 1
