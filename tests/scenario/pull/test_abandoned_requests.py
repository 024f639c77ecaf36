"""Requests that are given up: their connections harm no other."""

from __future__ import annotations

import contextlib
import threading
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
