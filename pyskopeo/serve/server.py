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
    import ssl

    import uvicorn
    from starlette.types import ASGIApp


HANDSHAKE_SECONDS = 10.0
_LOOK_SECONDS, _CLEAN_UP_SECONDS = 0.1, 2.0


class ServerControl:
    """How a running server is told to end: the first `stop` lets requests finish, the second one ends them."""

    def __init__(self) -> None:
        self.stopping = self.at_once = False
        self._server: uvicorn.Server | None = None

    @property
    def requests(self) -> int:
        """The number of requests under way."""
        return len(self._server.server_state.tasks) if self._server is not None else 0

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._server.server_state.connections) if self._server is not None else 0

    def stop(self) -> None:
        """Accept no more connections, and end when all requests are answered; called again, end at once."""
        self.at_once = self.stopping
        self.stopping = True

    def attach(self, server: uvicorn.Server) -> None:
        """Control this server."""
        self._server = server


async def serve(
    layout: Path, host: str, port: int, *, on_ready: Callable[[str, int], None], writable: bool = False
) -> None:
    """Serve ``layout`` as `serve_application` serves an application; ``writable`` as for `application`.

    Raises the errors of both.
    """
    from anyio import to_thread

    app = await to_thread.run_sync(partial(application, layout, writable=writable))
    await serve_application(app, host, port, on_ready=on_ready)


async def serve_application(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    on_ready: Callable[[str, int], None],
    tls: ssl.SSLContext | None = None,
    control: ServerControl | None = None,
    grace: float = 0.0,
) -> None:
    """Run an ASGI application until cancelled, which closes open connections, or stopped by ``control``.

    A ``port`` of 0 selects a free one. ``on_ready(address, port)`` is called when connections are accepted. With
    ``tls`` they are encrypted. After `ServerControl.stop` requests under way have ``grace`` seconds to finish.
    Signals are not handled. Requires asyncio: raises `Unsupported` on trio or if the extra ``serve`` is not installed,
    and `NetworkError` if the address cannot be bound.
    """
    from anyio import CancelScope, create_task_group, sleep_forever

    server = _server(app, tls)
    control = control or ServerControl()

    async def run() -> None:
        # uvicorn does not close its connections when it is cancelled; should_exit ends it, below.
        with CancelScope(shield=True):
            await server.serve(sockets=[listener])
        tasks.cancel_scope.cancel()

    with await _listen(host, port) as listener:
        address = listener.getsockname()
        control.attach(server)
        on_ready(address[0], address[1])
        async with create_task_group() as tasks:
            tasks.start_soon(run)
            tasks.start_soon(_end_when_told, server, control, grace)
            try:
                await sleep_forever()
            finally:
                with CancelScope(shield=True):
                    await _close(server)


async def _end_when_told(server: uvicorn.Server, control: ServerControl, grace: float) -> None:
    """End a server when its control says so, after ``grace`` seconds at the latest."""
    from anyio import current_time, sleep

    while not control.stopping:  # noqa: ASYNC110 - a signal handler sets it
        await sleep(_LOOK_SECONDS)
    server.should_exit = True
    deadline = current_time() + grace
    while not control.at_once and current_time() < deadline:  # noqa: ASYNC110 - as above
        await sleep(_LOOK_SECONDS)
    await _close(server)


async def _close(server: uvicorn.Server) -> None:
    """Close all connections; requests under way end as they do when their clients go away, or are cancelled."""
    from anyio import move_on_after, sleep

    server.should_exit = True
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    with move_on_after(_CLEAN_UP_SECONDS):
        while server.server_state.tasks:  # noqa: ASYNC110 - uvicorn's
            await sleep(_LOOK_SECONDS / 2)
    for task in list(server.server_state.tasks):
        task.cancel()
    server.force_exit = True


def _server(app: ASGIApp, tls: ssl.SSLContext | None) -> uvicorn.Server:
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

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            # uvicorn has no time limit for handshakes but asyncio's, a minute.
            if tls is None:
                await super().startup(sockets)
                return
            loop = asyncio.get_running_loop()

            def connect() -> asyncio.Protocol:
                return self.config.http_protocol_class(  # type: ignore[call-arg] # as uvicorn calls it
                    config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop
                )

            self.servers = [
                await loop.create_server(connect, sock=sock, ssl=tls, ssl_handshake_timeout=HANDSHAKE_SECONDS)
                for sock in sockets or ()
            ]
            self.started = True

    # log_config=None leaves the caller's logging unchanged.
    config = uvicorn.Config(
        app, http=protocol, log_config=None, access_log=False, lifespan="off", ws="none", proxy_headers=False,
        server_header=False,
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
            # asyncio sets TCP_NODELAY only for sockets that name their protocol; without it the body of each answer
            # waits for the acknowledgement of its head, 40 ms.
            listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
            listener.listen(128)
            stack.pop_all()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NetworkError(f"cannot listen on {where}: {reason}") from error
    return listener
