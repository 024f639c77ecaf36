"""What the server needs."""

from __future__ import annotations

import sys
from pathlib import Path

import h11
import pytest

from pyskopeo.errors import Unsupported
from pyskopeo.serve import serve

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
