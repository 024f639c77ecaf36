"""A registry of ours that runs in a thread, for programs that are waited for without an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import anyio
from anyio.from_thread import start_blocking_portal

from pyskopeo.serve import serve_application


@asynccontextmanager
async def _running(opened: AbstractAsyncContextManager[Any]) -> AsyncIterator[str]:
    ready = anyio.Event()
    addresses: list[str] = []

    def on_ready(host: str, port: int) -> None:
        addresses.append(f"{host}:{port}")
        ready.set()

    async with opened as app, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve_application, app, "127.0.0.1", 0, on_ready=on_ready))
        with anyio.fail_after(20):
            await ready.wait()
        yield addresses[0]
        tasks.cancel_scope.cancel()


@contextmanager
def serving(open_application: Callable[[], AbstractAsyncContextManager[Any]]) -> Iterator[str]:
    """``HOST:PORT`` of a server that runs while the context does."""
    with start_blocking_portal("asyncio") as portal:
        opened = portal.call(open_application)
        with portal.wrap_async_context_manager(_running(opened)) as host:
            yield host
