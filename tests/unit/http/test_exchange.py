"""Who may touch a connection, at every moment at which a request may be given up."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest

from pyskopeo.errors import ConnectionFailed
from pyskopeo.http.connect import Connector
from pyskopeo.http.exchange import Exchange, shut
from pyskopeo.http.transport import Wire
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


@pytest.mark.anyio
async def test_a_request_given_up_too_late_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its small answer has been read, and its connection is there for the next request."""
    exchanges: list[Exchange] = []

    def recorded() -> Exchange:
        exchanges.append(Exchange())
        return exchanges[-1]

    monkeypatch.setattr("pyskopeo.http.transport.Exchange", recorded)
    with Simulator(IMAGE) as registry:
        async with Wire(Connector(lambda origin: pytest.fail("no TLS here"), lambda origin: None)) as wire:
            for _ in range(3):
                response = await wire.handle_async_request(httpx.Request("GET", f"{registry.url}/v2/"))
                assert response.status_code == 200
                exchanges[-1].abort()
        assert registry.connections_seen == 1
    assert len(exchanges) == 3


@pytest.mark.anyio
async def test_a_body_that_is_given_up_is_closed_by_its_reader() -> None:
    """Closing a descriptor under a thread that reads it could give the thread another connection's bytes."""
    released: list[str] = []

    class Watched(Wire):
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
            shut(reader._socket)
            await anyio.to_thread.run_sync(thread.join, 2)
            assert released == ["reader"]
            # Nothing is read, nor given back a second time.
            assert reader.readinto(memoryview(bytearray(10))) == 0
            await response.aclose()
            assert released == ["reader"]
