"""Requests that are given up: their connections harm no other."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import anyio
import pytest

from pyskopeo.errors import ConnectionFailed
from pyskopeo.http.connect import Connector
from pyskopeo.http.connection_pool import ConnectionPool, ResponseReader
from pyskopeo.http.exchange import Exchange, shutdown_socket
from pyskopeo.http.messages import Request
from pyskopeo.http.request_url import request_to
from pyskopeo.http.transport import HTTPTransport
from pyskopeo.streams.cancellation import Cancellation
from tests.support.faults import Stall
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator

CONNECTOR = Connector(lambda origin: pytest.fail("no TLS here"), lambda origin: None)
IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=100_000, compression="none"),)))


def get(url: str) -> Request:
    return request_to("GET", url, "test", {})


def over(pool: ConnectionPool) -> HTTPTransport:
    wire = HTTPTransport(CONNECTOR)
    wire.pool = pool
    return wire


@pytest.mark.anyio
async def test_a_request_given_up_too_late_harms_no_other() -> None:
    """Its small answer has been read, and its connection is there for the next request."""
    cancellations: list[Cancellation] = []

    class Recorded(ConnectionPool):
        def send(self, *what: Any) -> Exchange:
            cancellations.append(Cancellation.current())
            return super().send(*what)

    with Simulator(IMAGE) as registry:
        async with over(Recorded(CONNECTOR)) as wire:
            for _ in range(3):
                response = await wire.send(get(f"{registry.url}/v2/"))
                assert response.status_code == 200
                cancellations[-1].cancel()
        assert registry.connections_seen == 1
    assert len(set(cancellations)) == 3


@pytest.mark.anyio
async def test_a_small_answer_that_nobody_takes_harms_no_other() -> None:
    with Simulator(IMAGE) as registry:
        request = get(f"{registry.url}/v2/")
        async with over(paused := Paused(before=False)) as wire:
            await give_up(wire, paused, request)
            assert (await wire.send(request)).status_code == 200
        assert registry.connections_seen == 1


@pytest.mark.anyio
async def test_a_body_that_is_given_up_is_closed_by_its_reader() -> None:
    """Closing a descriptor under a thread that reads it could give the thread another connection's bytes."""
    released: list[str] = []

    class Watched(ConnectionPool):
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
        async with over(Watched(CONNECTOR)) as wire:
            response = await wire.send(get(url))
            reader = response.reader
            assert isinstance(reader, ResponseReader)
            thread = threading.Thread(target=read, name="reader")
            thread.start()
            await anyio.sleep(0.3)
            await response.aclose()
            assert thread.is_alive()
            assert released == []
            shutdown_socket(reader._exchange.connection.sock)
            await anyio.to_thread.run_sync(thread.join, 2)
            assert released == ["reader"]
            # Nothing is read, nor given back a second time.
            assert reader.readinto(memoryview(bytearray(10))) == 0
            await response.aclose()
            assert released == ["reader"]


class Paused(ConnectionPool):
    """Its threads wait before and after they send a request."""

    def __init__(self, *, before: bool) -> None:
        super().__init__(CONNECTOR)
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


async def give_up(wire: HTTPTransport, paused: Paused, request: Request) -> None:
    """Cancel a request while its thread waits; then have the thread go on."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wire.send, request)
        while not paused.waiting.is_set():
            await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()
    paused.go.set()
    assert await anyio.to_thread.run_sync(paused.ended.wait, 5)
    await anyio.sleep(0.05)


@pytest.mark.anyio
async def test_a_response_whose_request_was_given_up_is_closed() -> None:
    with Simulator(IMAGE) as registry:
        url = f"{registry.url}/storage/{IMAGE.layer_digests()[0]}"
        async with over(paused := Paused(before=False)) as wire:
            await give_up(wire, paused, get(url))
            [exchange] = paused.exchanges
            assert exchange.content is None
            assert exchange.connection.sock.fileno() == -1


@pytest.mark.anyio
async def test_a_request_given_up_before_its_thread_has_begun_is_not_sent() -> None:
    with Simulator(IMAGE) as registry:
        async with over(paused := Paused(before=True)) as wire:
            await give_up(wire, paused, get(f"{registry.url}/v2/"))
            assert paused.exchanges == []
        assert registry.connections_seen == 0
