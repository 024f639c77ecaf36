"""Who may touch a connection, at every moment at which a request may be given up."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anyio
import httpx
import pytest

from pyskopeo.errors import ConnectionFailed
from pyskopeo.http.connect import ConnectAttempt, Connector
from pyskopeo.http.exchange import Exchange, shutdown_socket
from pyskopeo.http.transport import HTTPTransport
from pyskopeo.streams.cancellation import Cancellation, Cancelled, check_cancelled, on_cancel
from tests.support.faults import Stall
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator

IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=100_000, compression="none"),)))


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
        with on_cancel(partial(shutdown_socket, line.near)):
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
        with ConnectAttempt() as attempt:
            attempt.begin(line.near)
            wrapped = socket.socket(fileno=line.near.detach())
            with wrapped:
                wrapped.settimeout(2)
                cancellation.cancel()
                assert wrapped.recv(1) == b""

    cancelled_within(work)


def test_an_attempt_that_is_over_is_left_alone(line: Line) -> None:
    def work(cancellation: Cancellation) -> None:
        with ConnectAttempt() as attempt:
            attempt.begin(line.near)
        cancellation.cancel()
        check_cancelled()

    cancelled_within(work)
    assert line.is_open


def test_a_second_attempt_takes_the_place_of_the_first(line: Line) -> None:
    other = Line()

    def work(cancellation: Cancellation) -> None:
        with ConnectAttempt() as attempt:
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
        with ConnectAttempt() as attempt:
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


class Paused(HTTPTransport):
    """Its threads wait before and after they send a request."""

    def __init__(self, *, before: bool) -> None:
        super().__init__(Connector(lambda origin: pytest.fail("no TLS here"), lambda origin: None))
        self.before = before
        self.waiting, self.go, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.exchanges: list[Exchange] = []

    def send(self, *what: Any) -> Exchange:
        try:
            if self.before:
                self._wait()
            self.exchanges.append(super().send(*what))
            if not self.before:
                self._wait()
            return self.exchanges[-1]
        finally:
            self.ended.set()

    def _wait(self) -> None:
        self.waiting.set()
        assert self.go.wait(10)


async def give_up(wire: Paused, request: httpx.Request) -> None:
    """Cancel a request while its thread waits; then have the thread go on."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.handle_async_request, request)
        while not wire.waiting.is_set():
            await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()
    wire.go.set()
    assert await anyio.to_thread.run_sync(wire.ended.wait, 5)
    await anyio.sleep(0.05)


@pytest.mark.anyio
async def test_a_response_whose_request_was_given_up_is_closed() -> None:
    with Simulator(IMAGE) as registry:
        url = f"{registry.url}/storage/{IMAGE.layer_digests()[0]}"
        async with Paused(before=False) as wire:
            await give_up(wire, httpx.Request("GET", url))
            [exchange] = wire.exchanges
            assert exchange.body is None
            assert exchange.response.isclosed()
            assert exchange.connection.sock is None


@pytest.mark.anyio
async def test_a_request_given_up_before_its_thread_has_begun_is_not_sent() -> None:
    with Simulator(IMAGE) as registry:
        async with Paused(before=True) as wire:
            await give_up(wire, httpx.Request("GET", f"{registry.url}/v2/"))
            assert wire.exchanges == []
        assert registry.connections_seen == 0


@pytest.mark.anyio
async def test_a_request_given_up_too_late_harms_no_other() -> None:
    """Its small answer has been read, and its connection is there for the next request."""
    cancellations: list[Cancellation] = []

    class Recorded(HTTPTransport):
        def send(self, *what: Any) -> Exchange:
            cancellations.append(Cancellation.current())
            return super().send(*what)

    with Simulator(IMAGE) as registry:
        async with Recorded(Connector(lambda origin: pytest.fail("no TLS here"), lambda origin: None)) as wire:
            for _ in range(3):
                response = await wire.handle_async_request(httpx.Request("GET", f"{registry.url}/v2/"))
                assert response.status_code == 200
                cancellations[-1].cancel()
        assert registry.connections_seen == 1
    assert len(set(cancellations)) == 3


@pytest.mark.anyio
async def test_a_small_answer_that_nobody_takes_harms_no_other() -> None:
    with Simulator(IMAGE) as registry:
        request = httpx.Request("GET", f"{registry.url}/v2/")
        async with Paused(before=False) as wire:
            await give_up(wire, request)
            assert (await wire.handle_async_request(request)).status_code == 200
        assert registry.connections_seen == 1


@pytest.mark.anyio
async def test_a_body_that_is_given_up_is_closed_by_its_reader() -> None:
    """Closing a descriptor under a thread that reads it could give the thread another connection's bytes."""
    released: list[str] = []

    class Watched(HTTPTransport):
        def release(self, *what: Any) -> None:
            released.append(threading.current_thread().name)
            super().release(*what)

    def read() -> None:
        with contextlib.suppress(ConnectionFailed):
            while reader.readinto(memoryview(bytearray(100_000))):
                pass

    with Simulator(IMAGE) as registry:
        registry.on("/storage/*", Stall(20_000))
        url = f"{registry.url}/storage/{IMAGE.layer_digests()[0]}"
        async with Watched(Connector(lambda origin: pytest.fail("no TLS here"), lambda origin: None)) as wire:
            response = await wire.handle_async_request(httpx.Request("GET", url))
            reader = response.extensions["reader"]
            thread = threading.Thread(target=read, name="reader")
            thread.start()
            await anyio.sleep(0.3)
            await response.aclose()
            assert thread.is_alive()
            assert released == []
            shutdown_socket(reader._exchange.sock)
            await anyio.to_thread.run_sync(thread.join, 2)
            assert released == ["reader"]
            # Nothing is read, nor given back a second time.
            assert reader.readinto(memoryview(bytearray(10))) == 0
            await response.aclose()
            assert released == ["reader"]
