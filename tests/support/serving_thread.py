"""A registry of ours that runs in a thread, for programs that are waited for without an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import anyio
from anyio.from_thread import start_blocking_portal

from pyskopeo.serve import application, serve_application

from .images import BuiltImage
from .outputs import push


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


class ServedRegistry:
    """A registry of ours that takes pushes, over a layout; a context manager. ``host`` is its ``HOST:PORT``."""

    def __init__(self, layout: Path) -> None:
        self._layout, self._running = layout, ExitStack()
        self.host = ""

    def __enter__(self) -> Self:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Any]:
            yield application(self._layout, writable=True)

        self.host = self._running.enter_context(serving(opened))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Where it listens at 127.0.0.1."""
        return int(self.host.rpartition(":")[2])

    def push(self, image: BuiltImage, repository: str, tag: str) -> str:
        """Push an image; returns its digest."""
        return push(image, f"http://{self.host}", repository, tag)

    def stop(self) -> None:
        """End it now."""
        self._running.close()
