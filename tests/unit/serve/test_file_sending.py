"""Files that the kernel sends to a socket."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from io import FileIO
from pathlib import Path

import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.serve import file_sending
from pyskopeo.serve.file_sending import send_file

pytestmark = pytest.mark.anyio
CONTENT = hashlib.shake_128(b"big").digest(12_000_000)


@pytest.fixture
def anyio_backend() -> str:
    """The server needs asyncio."""
    return "asyncio"


class Server:
    """Sends a part of a file to the other end of a pair of sockets."""

    def __init__(self, file: Path, offset: int, count: int) -> None:
        self.file, self.offset, self.count = file, offset, count
        self.error: Exception | None = None
        self.ended = asyncio.Event()
        self.transport: asyncio.WriteTransport

    async def __aenter__(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        self.reader, self.writer = await asyncio.open_connection(sock=theirs, limit=4096)
        _, writer = await asyncio.open_connection(sock=ours)
        self.task = asyncio.create_task(self.send(writer))
        return self.reader, self.writer

    async def send(self, writer: asyncio.StreamWriter) -> None:
        self.transport = writer.transport
        try:
            with FileIO(self.file) as file:
                await send_file(writer.transport, file, self.offset, self.count)
        except StorageFailed as error:
            self.error = error
        writer.close()
        self.ended.set()

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        async with asyncio.timeout(20):
            await self.ended.wait()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize(("offset", "count"), [(0, len(CONTENT)), (1_000_001, 9_999_999)])
async def test_a_part_arrives(file: Path, offset: int, count: int) -> None:
    async with Server(file, offset, count) as (reader, _):
        assert await reader.read(-1) == CONTENT[offset : offset + count]


async def test_a_client_that_reads_slowly_gets_all(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_sending, "READ_SECONDS", 0.5)
    monkeypatch.setattr(file_sending, "LEAST_READ", 1)
    received = bytearray()
    async with Server(file, 0, len(CONTENT)) as (reader, _):
        while piece := await reader.read(500_000):
            received += piece
            await asyncio.sleep(0.01)
    assert received == CONTENT


async def test_one_that_does_not_read_is_disconnected(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_sending, "READ_SECONDS", 0.2)
    file.write_bytes(b"")
    with file.open("r+b") as large:
        large.truncate(1 << 32)
    server = Server(file, 0, 1 << 32)
    async with server, asyncio.timeout(20):
        await server.ended.wait()
    assert server.transport.is_closing()
    assert server.error is None


@pytest.mark.parametrize("size", [0, 5_000_000])
async def test_a_file_that_became_shorter(file: Path, size: int) -> None:
    with file.open("r+b") as shortened:
        shortened.truncate(size)
    server = Server(file, 0, len(CONTENT))
    async with server as (reader, _):
        assert len(await reader.read(-1)) == size
    assert str(server.error) == f"a blob became shorter while it was sent: it ends after {size} bytes"


async def test_one_that_goes_away_costs_nothing(file: Path) -> None:
    with file.open("r+b") as large:
        large.truncate(1 << 32)
    server = Server(file, 0, 1 << 32)
    async with server as (reader, writer):
        await reader.readexactly(100)
        writer.transport.abort()
    assert server.error is None


async def test_one_that_has_gone_before_the_first_byte(file: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        _, writer = await asyncio.open_connection(sock=ours)
        writer.transport.abort()
        async with asyncio.timeout(20):
            while writer.transport.get_extra_info("socket").fileno() >= 0:
                await asyncio.sleep(0)
        with FileIO(file) as opened:
            await send_file(writer.transport, opened, 0, len(CONTENT))
