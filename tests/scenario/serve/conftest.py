"""A registry that takes pushes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest

from pyskopeo.serve import serve
from tests.support.serving import client


@pytest.fixture
def anyio_backend() -> str:
    """The server needs asyncio."""
    return "asyncio"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
async def http(layout: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(layout, writable=True) as made:
        yield made


@asynccontextmanager
async def running(layout: Path) -> AsyncIterator[str]:
    """``host:port`` of a server that takes pushes, behind a real socket."""
    ready = anyio.Event()
    address = ""

    def on_ready(host: str, port: int) -> None:
        nonlocal address
        address = f"{host}:{port}"
        ready.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve, layout, "127.0.0.1", 0, on_ready=on_ready, writable=True))
        with anyio.fail_after(15):
            await ready.wait()
        yield address
        tasks.cancel_scope.cancel()


@pytest.fixture
async def address(layout: Path) -> AsyncIterator[str]:
    async with running(layout) as found:
        yield found
