"""A read-through cache of simulated registries, on a port of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
import httpx

from pyskopeo.access import Access
from pyskopeo.http.retry import Retry
from pyskopeo.model.events import Event, Warned
from pyskopeo.serve import serve_application
from pyskopeo.serve.proxy import Proxy, open_proxy
from pyskopeo.serve.upstreams import Upstream

from .access import access_for


@dataclass
class RunningProxy:
    """A proxy that runs: ``http`` asks it, ``warnings`` are its own."""

    app: Proxy
    host: str
    http: httpx.AsyncClient
    warnings: list[str] = field(default_factory=list)

    @property
    def fetched(self) -> int:
        """How many blobs it has fetched."""
        return self.app.content.fetches.fetched


@asynccontextmanager
async def running_proxy(
    folder: Path, *upstreams: str, fresh: float = 60.0, access: Access | None = None
) -> AsyncIterator[RunningProxy]:
    """A proxy for ``HOST=URL`` whose store is ``folder/store``; it reads no file of this machine's user."""
    base = access or access_for(folder, retry=Retry(times=1, delay=0.01))
    with_store = replace(base, storage=replace(base.storage, store=folder / "store"))
    warnings: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Warned):
            warnings.append(event.message)

    ready = anyio.Event()
    addresses: list[str] = []

    def on_ready(host: str, port: int) -> None:
        addresses.append(f"{host}:{port}")
        ready.set()

    opened = open_proxy(list(map(Upstream.parse, upstreams)), lambda: with_store, fresh=fresh, report=report)
    async with opened as app, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve_application, app, "127.0.0.1", 0, on_ready=on_ready))
        with anyio.fail_after(20):
            await ready.wait()
        async with httpx.AsyncClient(base_url=f"http://{addresses[0]}", trust_env=False, timeout=30) as http:
            yield RunningProxy(app, addresses[0], http, warnings)
        tasks.cancel_scope.cancel()
