"""Who may touch a connection, at every moment at which a request may be given up."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pyskopeo.http.connect import Attempt
from pyskopeo.http.exchange import Exchange, shut
from pyskopeo.streams.cancellation import Cancellation, Cancelled, check_cancelled, on_cancel


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


def cancelled_within(work: Callable[[Cancellation], None]) -> None:
    """Have ``work`` cancel itself; it must end as cancelled."""
    cancellation = Cancellation()
    with pytest.raises(Cancelled):
        cancellation.run(lambda: work(cancellation))


def test_a_reader_is_woken(line: Line) -> None:
    cancellation, reading, read = Cancellation(), threading.Event(), list[bytes]()

    def work() -> None:
        with on_cancel(partial(shut, line.near)):
            reading.set()
            read.append(line.near.recv(1))

    def run() -> None:
        with pytest.raises(Cancelled):
            cancellation.run(work)

    thread = threading.Thread(target=run)
    thread.start()
    assert reading.wait(2)
    cancellation.cancel()
    thread.join(2)
    assert read == [b""]


def test_an_attempt_to_connect_is_woken(line: Line) -> None:
    """Even when TLS has taken the descriptor out of the socket, as wrap_socket does."""

    def work(cancellation: Cancellation) -> None:
        with Attempt() as attempt:
            attempt.begin(line.near)
            wrapped = socket.socket(fileno=line.near.detach())
            with wrapped:
                wrapped.settimeout(2)
                cancellation.cancel()
                assert wrapped.recv(1) == b""

    cancelled_within(work)


def test_an_attempt_that_is_over_is_left_alone(line: Line) -> None:
    def work(cancellation: Cancellation) -> None:
        with Attempt() as attempt:
            attempt.begin(line.near)
        cancellation.cancel()
        check_cancelled()

    cancelled_within(work)
    assert line.is_open


def test_a_second_attempt_takes_the_place_of_the_first(line: Line) -> None:
    other = Line()

    def work(cancellation: Cancellation) -> None:
        with Attempt() as attempt:
            attempt.begin(other.near)
            attempt.begin(line.near)
            cancellation.cancel()

    cancelled_within(work)
    assert other.is_open
    assert not line.is_open
    other.close()


def test_an_attempt_that_comes_too_late_is_not_begun(line: Line) -> None:
    def work(cancellation: Cancellation) -> None:
        cancellation.cancel()
        with Attempt() as attempt:
            attempt.begin(line.near)

    cancelled_within(work)
    assert line.is_open


@pytest.mark.parametrize("body", [None, b"ok"])
def test_what_comes_too_late_is_cleared_away(body: bytes | None, line: Line) -> None:
    """But not a connection that is in the pool: it may be another request's by now."""
    line.far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    line.connection.request("GET", "/")
    response = line.connection.getresponse()
    line.far.recv(1000)
    Exchange(line.connection, line.near, response, [], None, body).discard()
    assert response.isclosed() == (body is None)
    assert (line.connection.sock is None) == (body is None)
    assert line.is_open == (body is not None)
    response.close()
