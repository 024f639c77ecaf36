"""Who may touch a connection, at every moment at which a request may be given up."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from pyskopeo.errors import ConnectionFailed
from pyskopeo.http.exchange import Exchange


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


@pytest.fixture
def line() -> Iterator[Line]:
    found = Line()
    yield found
    found.close()


def test_a_reader_is_woken(line: Line) -> None:
    exchange, read = Exchange(), list[bytes]()
    exchange.connected(line.connection)
    thread = threading.Thread(target=lambda: read.append(line.near.recv(1)))
    thread.start()
    exchange.abort()
    thread.join(2)
    assert read == [b""]


def test_an_attempt_to_connect_is_woken(line: Line) -> None:
    """Even when TLS has taken the descriptor out of the socket, as wrap_socket does."""
    exchange = Exchange()
    exchange.connecting(line.near)
    wrapped = socket.socket(fileno=line.near.detach())
    with wrapped:
        wrapped.settimeout(2)
        exchange.abort()
        assert wrapped.recv(1) == b""
    exchange.forget_attempt()


def test_an_attempt_that_is_over_is_left_alone(line: Line) -> None:
    exchange = Exchange()
    exchange.connecting(line.near)
    exchange.forget_attempt()
    exchange.abort()
    assert line.is_open


def test_a_second_attempt_takes_the_place_of_the_first(line: Line) -> None:
    other = Line()
    exchange = Exchange()
    exchange.connecting(other.near)
    exchange.connecting(line.near)
    exchange.abort()
    assert other.is_open
    assert not line.is_open
    exchange.forget_attempt()
    other.close()


def test_a_connection_in_the_pool_is_left_alone(line: Line) -> None:
    """It may be another request's by now."""
    exchange = Exchange()
    exchange.connected(line.connection)
    exchange.let_go()
    exchange.abort()
    assert line.is_open


def test_what_comes_too_late_is_cleared_away(line: Line) -> None:
    """The thread has brought the head of a response, and nobody took it."""
    exchange = Exchange()
    exchange.connected(line.connection)
    line.far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    line.connection.request("GET", "/")
    response = line.connection.getresponse()
    line.far.recv(1000)
    exchange.finish(response)
    exchange.abort()
    assert response.isclosed()
    assert line.connection.sock is None
    assert not line.is_open


@pytest.mark.parametrize("step", ["connecting", "connected", "let_go", "finish"])
def test_a_thread_that_is_given_up_goes_no_further(step: str, line: Line) -> None:
    exchange = Exchange()
    exchange.abort()
    with contextlib.closing(http.client.HTTPResponse(line.near)) as response:
        steps: dict[str, Callable[[], None]] = {
            "connecting": lambda: exchange.connecting(line.near),
            "connected": lambda: exchange.connected(line.connection),
            "let_go": exchange.let_go,
            "finish": lambda: exchange.finish(response),
        }
        with pytest.raises(ConnectionFailed) as caught:
            steps[step]()
    assert not caught.value.temporary
