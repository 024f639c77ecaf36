"""Running the application with uvicorn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NetworkError, Unsupported
from .app import application
from .responses import missing_extra

if TYPE_CHECKING:
    import asyncio
    import socket

    import uvicorn
    from starlette.types import ASGIApp


_GRACE = 2  # seconds


async def serve(
    layout: Path, host: str, port: int, *, on_ready: Callable[[str, int], None], writable: bool = False
) -> None:
    """Serve ``layout`` as `serve_application` serves an application; ``writable`` as for `application`.

    Raises the errors of both.
    """
    from anyio import to_thread

    app = await to_thread.run_sync(partial(application, layout, writable=writable))
    await serve_application(app, host, port, on_ready=on_ready)


async def serve_application(app: ASGIApp, host: str, port: int, *, on_ready: Callable[[str, int], None]) -> None:
    """Run an ASGI application until cancelled, which closes open connections.

    A ``port`` of 0 selects a free one. ``on_ready(address, port)`` is called when connections are accepted.
    Signals are not handled. Requires asyncio: raises `Unsupported` on trio or if the extra ``serve`` is not installed,
    and `NetworkError` if the address cannot be bound.
    """
    from anyio import CancelScope, create_task_group, sleep_forever

    server = _server(app)

    async def run() -> None:
        # uvicorn does not close its connections when it is cancelled; should_exit ends it, below.
        with CancelScope(shield=True):
            await server.serve(sockets=[listener])
        tasks.cancel_scope.cancel()

    with await _listen(host, port) as listener:
        address = listener.getsockname()
        on_ready(address[0], address[1])
        async with create_task_group() as tasks:
            tasks.start_soon(run)
            try:
                await sleep_forever()
            finally:
                server.should_exit = True
                for connection in list(server.server_state.connections):
                    connection.transport.abort()


def _server(app: ASGIApp) -> uvicorn.Server:
    """Return a server for the running event loop that handles no signals; it does not listen yet."""
    try:
        import asyncio

        import uvicorn

        protocol = _protocol()
    except ImportError:
        raise missing_extra() from None
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise Unsupported("serving needs the asyncio event loop, not trio's") from None

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    # log_config=None leaves the caller's logging unchanged.
    config = uvicorn.Config(
        app, http=protocol, log_config=None, access_log=False, lifespan="off", ws="none", proxy_headers=False,
        server_header=False, timeout_graceful_shutdown=_GRACE,
    )  # fmt: skip
    return Server(config)


def _protocol() -> type[asyncio.Protocol]:
    """Return what reads requests; raises `ImportError` without uvicorn."""
    from .protocol import BoundedProtocol

    try:
        from .fast_protocol import FastProtocol
    except ImportError:  # a compiled package, which not every installation has
        return BoundedProtocol
    return FastProtocol


async def _listen(host: str, port: int) -> socket.socket:
    import socket

    from anyio import getaddrinfo

    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not 0 <= port <= 65535:
        raise NetworkError(f"cannot listen on {where}: a port is a number up to 65535")
    try:
        found = await getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        with ExitStack() as stack:
            listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
            listener.listen(128)
            stack.pop_all()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NetworkError(f"cannot listen on {where}: {reason}") from error
    return listener
