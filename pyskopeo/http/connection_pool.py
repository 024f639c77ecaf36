"""A pool of persistent HTTP/1.1 connections (RFC 9112 section 9.3), and blocking requests on them.

Runs in worker threads. `exchange` says which thread owns a connection.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..errors import ConnectionFailed, NetworkError
from ..fast_dataclass import replace
from ..streams.cancellation import Cancelled, on_cancel
from .connect import Connector, request_target
from .connection import IDLE_SECONDS, Connection
from .exchange import Exchange, shutdown_socket
from .messages import Request, Route
from .request_head import encode_head
from .response_body import ResponseBody
from .response_head import Framing, InvalidResponse, framing
from .time_limits import DocumentDeadline, ResponseTimeouts, TooSlow

if TYPE_CHECKING:
    from .preconnection import ServerPreconnections

T = TypeVar("T")
# Bytes. Bodies up to this size are read together with the head of their response.
_PREFETCH = 16 * 1024
# Bytes. Bodies of requests up to this size are sent together with the head.
_SMALL_BODY = 64 * 1024
# Seconds for the body of a redirect, which is of no use: it is read only so that its connection can be used again.
_REDIRECT_BODY_SECONDS = 0.5
# RFC 9110 section 9.2.1: sending these again has no effect on the server.
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class ConnectionPool:
    """Sends requests, on idle connections of the same route where there are some. Raises pyskopeo's own errors.

    Bodies of known length up to ``prefetch`` bytes are read together with the head of their response, so that the
    request fails if the body is incomplete; None reads no body. A connection is closed after a request with the
    header ``Connection: close``. Connections of ``preconnections`` are used as idle ones.
    """

    def __init__(
        self, connector: Connector, *,
        prefetch: int | None = _PREFETCH, preconnections: ServerPreconnections | None = None,
    ) -> None:  # fmt: skip
        self.connector, self._prefetch, self._preconnections = connector, prefetch, preconnections
        self._idle: defaultdict[Route, list[tuple[Connection, float]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._closed = False

    def send(self, request: Request) -> Exchange:
        """Send the request and return the response, whose body may still have to be read.

        A request that fails because the server has closed an idle connection is sent again, on the next idle one or a
        new one, if its method is safe. Raises `NetworkError` or `Cancelled`.
        """
        route = request.route
        while True:
            reused = self._idle_connection(route) or self._take_preconnected(request)
            connection = reused or self.connector.open(route.origin, reach=route.reach)
            try:
                # This ends before the connection is closed or handed over: see `exchange`.
                with on_cancel(partial(shutdown_socket, connection.sock)):
                    exchange = self._send_on(request, connection)
            except Exception as error:
                connection.close()
                dead = isinstance(error, OSError) and not isinstance(error, TimeoutError)
                if reused and dead and request.method in _SAFE_METHODS:
                    continue  # the server closed it while it was idle, which is no failure of this request
                if isinstance(error, NetworkError | Cancelled):
                    raise
                if isinstance(error, TimeoutError):
                    raise self._time_error(error, route) from error
                first_on_tls = reused is None and route.origin.scheme == "https" and isinstance(request.body, bytes)
                raise self.connector.errors.exchange_error(error, route.origin, after_handshake=first_on_tls) from error
            if exchange.content is not None:
                self.release(route, exchange)
            return exchange

    def _send_on(self, request: Request, connection: Connection) -> Exchange:
        connector, proxy = self.connector, self.connector.proxy(request.route.origin)
        connection.sock.settimeout(connector.stall_timeout)
        close, wait = _send_request(request, connection, proxy)
        if self._preconnections is not None:
            self._preconnections.request_sent(request.route.origin, connection)
        peer = None
        if not proxy and connector.target is None:
            with suppress(OSError):  # the server has closed it; a response may have been received
                peer = str(connection.sock.getpeername()[0])
        timeouts = request.timeouts or ResponseTimeouts(connector.response_timeout, connector.stall_timeout)
        if request.body_incomplete:
            timeouts = ResponseTimeouts(wait, wait)
        # The stall timeout holds for the head once it has begun, also where silence before it is no failure.
        head = connection.read_head(timeouts.head, connector.stall_timeout)
        found = framing(head, request.method)
        if not found.persistent and self._preconnections is not None:
            self._preconnections.close()  # the server may handle connections one after the other
        if close or request.body_incomplete:  # the server would take the next request for the rest of this body
            found = replace(found, persistent=False)
        body, content = _response_body(connection, found, timeouts.body), None
        if self._prefetch is not None and body.length is not None and body.length <= self._prefetch:
            if head.is_redirect:
                content = _read_redirect_body(body)
            else:
                deadline = DocumentDeadline(timeouts.body or connector.stall_timeout, connector.response_timeout)
                content = _read_short_body(body, request, deadline)
        return Exchange(connection, head, body, peer, content)

    def _time_error(self, error: TimeoutError, route: Route) -> NetworkError:
        """Return the error to raise for a time limit that was exceeded."""
        errors = self.connector.errors
        if isinstance(error, TooSlow):
            return errors.slow_error(error, route.origin)
        return errors.stall_error(route.origin, self.connector.stall_timeout)

    def _idle_connection(self, route: Route) -> Connection | None:
        """Return an idle connection that is still open, None if there is none; close those that are not."""
        while True:
            with self._lock:
                if not (idle := self._idle[route]):
                    return None
                connection, since = idle.pop()
            # One that is readable was closed, or the server broke the protocol.
            if time.monotonic() - since < IDLE_SECONDS and not connection.is_readable(0):
                return connection
            connection.close()

    def _take_preconnected(self, request: Request) -> Connection | None:
        """Return a connection that was opened in advance; raises what opening it has raised."""
        if self._preconnections is None or request.route.reach is not None or request.method not in _SAFE_METHODS:
            return None
        return self._preconnections.take(request.route.origin)

    def release(self, route: Route, exchange: Exchange) -> None:
        """Return a connection to the pool if its response was read to the end; close it otherwise."""
        if exchange.body.reusable:
            with self._lock:
                if not self._closed:
                    self._idle[route].append((exchange.connection, time.monotonic()))
                    return
        exchange.connection.close()

    def close(self) -> None:
        """Close all idle connections; those in use are closed after their response."""
        with self._lock:
            self._closed = True
            connections = [connection for idle in self._idle.values() for connection, _ in idle]
            self._idle.clear()
        if self._preconnections is not None:
            self._preconnections.close()
        for connection in connections:
            connection.close()


class ResponseReader:
    """A response whose head has been read, and a blocking `ByteReader` of its body. To be closed after use."""

    def __init__(self, pool: ConnectionPool, route: Route, exchange: Exchange) -> None:
        self._pool, self._route, self._exchange = pool, route, exchange
        self._lock = threading.Lock()
        self._is_reading = self._released = False

    @property
    def status(self) -> int:
        """The status code."""
        return self._exchange.head.status

    def header(self, name: str) -> str:
        """Return the value of a header, empty if there is none."""
        return self._exchange.head.header(name)

    def readinto(self, buffer: memoryview) -> int:
        """Read into ``buffer`` and return the number of bytes; 0 at the end of the body.

        Returns when the buffer is full, when the body ends, or after 0.2 seconds: many bytes at once from a fast
        server, regular progress from a slow one. Raises `ConnectionFailed`, `Stalled` or `Cancelled`.
        """
        return self._reading(partial(self._exchange.body.readinto, buffer), 0)

    def read_document(self, limit: int, deadline: DocumentDeadline) -> tuple[bytes, bool]:
        """Return the body, or more than ``limit`` bytes of it, and whether that came before ``deadline``.

        Raises as `readinto`.
        """
        return self._reading(partial(self._exchange.body.read_document, limit, deadline), (b"", True))

    def _reading(self, read: Callable[[], T], closed: T) -> T:
        """Return the result of ``read``, which reads the body; ``closed`` if the response has been closed."""
        with self._lock:
            if self._released:
                return closed  # before this thread began to read
            self._is_reading = True
        try:
            with on_cancel(partial(shutdown_socket, self._exchange.connection.sock)):
                return read()
        except TimeoutError as error:
            connector = self._pool.connector
            raise connector.errors.stall_error(self._route.origin, connector.stall_timeout) from error
        except (OSError, ValueError, InvalidResponse) as error:
            # A TLS socket raises ValueError when another thread has closed it.
            raise self._pool.connector.errors.read_error(error, self._route.origin) from error
        finally:
            with self._lock:
                self._is_reading = False
                must_release = self._released
            if must_release:
                self._pool.release(self._route, self._exchange)

    def close(self) -> None:
        """Return the connection to the pool, or close it if the body was not read to the end."""
        with self._lock:
            if self._released:
                return
            self._released = True
            if self._is_reading:
                return  # a thread that was cancelled is still reading: it releases the connection itself
        self._pool.release(self._route, self._exchange)


def _response_body(connection: Connection, framing: Framing, stall_timeout: float | None) -> ResponseBody:
    """Return the body of the response whose head was read from ``connection``, within its rate limits."""
    if connection.limits is None:
        return ResponseBody(connection, framing, stall_timeout)
    from .limited_body import LimitedBody

    return LimitedBody(connection, framing, stall_timeout, connection.limits)


def _send_request(request: Request, connection: Connection, proxy: str | None) -> tuple[bool, float | None]:
    """Send a request; return whether it asks to close the connection, and `StreamedBody.transmit`'s result."""
    body = request.body
    target, extra = request_target(request.route.origin, proxy, request.target)
    fields = [*request.headers, *extra.items()]
    head = encode_head(request.method, target, fields)
    close = any((name.lower(), value.lower()) == ("connection", "close") for name, value in fields)
    if isinstance(body, bytes):
        if connection.limits is not None:
            from .limited_body import send_limited

            send_limited(connection, head, body, connection.limits)
            return close, None
        connection.send(head + body if len(body) <= _SMALL_BODY else head)
        if len(body) > _SMALL_BODY:
            connection.send(body)
        return close, None
    connection.send(head)
    chunked = any(name.lower() == "transfer-encoding" for name, _ in fields)
    return close, body.transmit(connection, chunked=chunked)


def _read_short_body(body: ResponseBody, request: Request, deadline: DocumentDeadline) -> bytes:
    """Read a whole body of known length; raises `ConnectionFailed` if it ends early.

    The body of a response to a request that was not sent completely may be cut short: the server may have closed
    the connection, and the status of the response is enough.
    """
    expected, netloc = body.length, request.route.origin.netloc
    try:
        content = body.read_all(deadline)
    except OSError:
        if request.body_incomplete:
            return b""
        raise
    if not body.ended and not request.body_incomplete:
        message = f"{netloc}: the answer was cut short, {len(content)} of {expected} bytes came"
        raise ConnectionFailed(message, host=netloc)
    return content


def _read_redirect_body(body: ResponseBody) -> bytes | None:
    """Read a whole body of known length; returns None, with the body unread, if that is not there soon."""
    with suppress(OSError):
        content = body.read_all(DocumentDeadline(_REDIRECT_BODY_SECONDS, _REDIRECT_BODY_SECONDS))
        if body.ended:
            return content
    return None
