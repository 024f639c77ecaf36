"""What the server needs."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import anyio
import h11
import pytest

from pyskopeo.errors import Unsupported
from pyskopeo.serve import serve, server
from pyskopeo.serve.app import application

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("absent", ["starlette", "uvicorn"])
async def test_missing_extra(layout: Path, monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == absent]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(Unsupported, match=r"pip install 'pyskopeo\[serve\]'$"):
        await serve(layout, "127.0.0.1", 0, on_ready=lambda host, port: pytest.fail("it runs"))


async def test_chunks_with_any_end_are_not_read() -> None:
    """CVE-2025-43859: by h11 before 0.16, which reads the requests."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n")
    assert isinstance(connection.next_event(), h11.Request)
    assert isinstance(connection.next_event(), h11.Data)
    with pytest.raises(h11.RemoteProtocolError):
        connection.next_event()


async def test_only_asyncio_can_serve(layout: Path, anyio_backend_name: str) -> None:
    if anyio_backend_name != "trio":
        pytest.skip("about other event loops")
    with pytest.raises(Unsupported, match="asyncio"):
        await serve(layout, "127.0.0.1", 0, on_ready=lambda host, port: pytest.fail("it runs"))


async def test_answers_do_not_wait_for_acknowledgements(layout: Path, anyio_backend_name: str) -> None:
    """Without TCP_NODELAY each answer on a connection takes 40 ms."""
    if anyio_backend_name == "trio":
        pytest.skip("the server needs asyncio")
    ready, control = anyio.Event(), server.ServerControl()
    address: list[tuple[str, int]] = []
    app = application(layout)

    def on_ready(host: str, port: int) -> None:
        address.append((host, port))
        ready.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: server.serve_application(app, "127.0.0.1", 0, on_ready=on_ready, control=control))
        with anyio.fail_after(15):
            await ready.wait()
            async with await anyio.connect_tcp(*address[0]) as client:
                await client.send(b"GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n")
                await client.receive()
                assert control._server is not None
                (connection,) = control._server.server_state.connections
                accepted = connection.transport.get_extra_info("socket")
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        tasks.cancel_scope.cancel()
