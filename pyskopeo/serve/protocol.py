"""One connection of the server: uvicorn's, with limits, so that clients that do nothing cannot occupy the server.

Imported only where uvicorn is installed. Requests are read by h11 here, and by httptools, several times faster, in
`fast_protocol`, where it is installed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import PyskopeoError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# Seconds. A connection without a request under way is closed if the head of the next one is not complete in this time.
# The size of a head is limited by h11, to 16 KiB.
REQUEST_SECONDS = 10.0
# Seconds in which a client has to read at least `LEAST_READ` bytes of a response that waits to be sent.
READ_SECONDS = 60.0
LEAST_READ = 16 * 1024
# With more connections, that which has waited the longest for a request is closed. Each may have a file open besides,
# and many systems allow a process 1024 of both.
MAX_CONNECTIONS = 400


class BoundedConnection(asyncio.Protocol):
    """What a protocol of uvicorn does besides: its connection is closed when its client does nothing.

    That is, when it neither sends a request nor reads the response. ``waiting_since`` is when the last request was
    finished, in the time of the event loop.
    """

    # As in both of uvicorn's protocols; ``cycle`` is the request that was read last, None before the first.
    cycle: Any
    connections: Any
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    waiting_since = 0.0
    _timer: asyncio.TimerHandle | None = None

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run an application for a request; a `PyskopeoError` means that its response cannot be completed."""
        try:
            await app(scope, receive, send)
        except PyskopeoError:
            self.transport.abort()
            while (await receive())["type"] != "http.disconnect":
                pass

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._await_request()
        if len(self.connections) > MAX_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.has_request:
            self._stop_timer()

    def response_completed(self) -> None:
        """Wait for the next request, unless it has begun; for the end of ``on_response_complete``."""
        if not self.has_request:
            self._await_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.has_request:
            self._stop_timer()
        else:
            self._await_request()

    @property
    def has_request(self) -> bool:
        """Whether a request is under way: its head is complete, and its response is not."""
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self) -> None:
        """Close the connection that has waited the longest for a request; this one if all others are busy."""
        idle = [
            connection
            for connection in self.connections
            if isinstance(connection, BoundedConnection)
            and not connection.has_request
            and not connection.transport.is_closing()
        ]
        min(idle, key=lambda connection: connection.waiting_since, default=self).transport.abort()

    def _await_request(self) -> None:
        self.waiting_since = self.loop.time()
        self._start_timer(REQUEST_SECONDS, self._request_is_late)

    def _request_is_late(self) -> None:
        if self.transport.get_write_buffer_size():  # the client is still reading the last response
            self._watch_reader()
        else:
            self.transport.abort()

    def _watch_reader(self) -> None:
        size = self.transport.get_write_buffer_size()

        def check() -> None:
            left = self.transport.get_write_buffer_size()
            if left and size - left < LEAST_READ:
                self.transport.abort()
            elif left:
                self._watch_reader()
            elif not self.has_request:
                self.transport.abort()

        self._start_timer(READ_SECONDS, check)

    def _start_timer(self, seconds: float, callback: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, callback)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BoundedProtocol(BoundedConnection, H11Protocol):
    """A connection whose requests are read by h11."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.app: Any = partial(self.run, self.app)

    def on_response_complete(self) -> None:
        super().on_response_complete()  # this may begin the next request
        self.response_completed()
