"""A pool of persistent HTTP/1.1 connections (RFC 9112 section 9.3), and blocking requests on them.

Runs in worker threads. `exchange` says which thread owns a connection.
"""

from __future__ import annotations

import http.client
import select
import threading
import time
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from functools import partial

from ..errors import ConnectionFailed, NetworkError
from ..fast_dataclass import dataclass
from ..streams.cancellation import Cancelled, on_cancel
from .connect import Connector, request_target
from .exchange import Exchange, shutdown_socket
from .locality import Locality
from .origin import Origin
from .response_body import ResponseBody
from .streamed_body import StreamedBody

# Bytes. Bodies up to this size are read together with the head of their response.
_PREFETCH = 16 * 1024
# An idle connection is not used again after this time.
_IDLE_SECONDS = 50.0
# RFC 9110 section 9.2.1: sending these again has no effect on the server.
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Route:
    """The key of the pool: requests of one route may use the same connection.

    Addresses more local than ``reach`` are refused, so these connections are kept apart; None allows all.
    """

    origin: Origin
    reach: Locality | None = None


@dataclass(frozen=True, slots=True)
class ResponseTimeouts:
    """Read timeouts of a response in seconds: until its ``head`` is read, and of each read of its ``body``.

    None means no limit.
    """

    head: float | None
    body: float | None


@dataclass(frozen=True, slots=True)
class Request:
    """A request to send. ``target`` is the path with the query; ``headers`` are complete, with ``Host``.

    ``timeouts`` are for its response; None is the connector's ``stall_timeout`` for both.
    """

    method: str
    route: Route
    target: str
    headers: Collection[tuple[str, str]]
    body: bytes | StreamedBody = b""
    timeouts: ResponseTimeouts | None = None

    @property
    def body_incomplete(self) -> bool:
        """Whether the body has not been sent completely."""
        return isinstance(self.body, StreamedBody) and not self.body.complete


class ConnectionPool:
    """Sends requests, on idle connections of the same route where there are some. Raises pyskopeo's own errors.

    Bodies of known length up to ``prefetch`` bytes are read together with the head of their response, so that the
    request fails if the body is incomplete; None reads no body. A connection is closed after a request with the
    header ``Connection: close``.
    """

    def __init__(self, connector: Connector, *, prefetch: int | None = _PREFETCH) -> None:
        self.connector, self._prefetch = connector, prefetch
        self._idle: defaultdict[Route, list[tuple[http.client.HTTPConnection, float]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._closed = False

    def send(self, request: Request) -> Exchange:
        """Send the request and return the response, whose body may still have to be read.

        A request that fails because the server has closed an idle connection is sent again, on the next idle one or a
        new one, if its method is safe. Raises `NetworkError` or `Cancelled`.
        """
        route = request.route
        while True:
            reused = self._idle_connection(route)
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
                    raise self.connector.errors.stall_error(route.origin, self.connector.stall_timeout) from error
                first_on_tls = reused is None and route.origin.scheme == "https" and isinstance(request.body, bytes)
                raise self.connector.errors.exchange_error(error, route.origin, after_handshake=first_on_tls) from error
            if exchange.body is not None:
                self.release(route, exchange)
            return exchange

    def _send_on(self, request: Request, connection: http.client.HTTPConnection) -> Exchange:
        sock, origin, body = connection.sock, request.route.origin, request.body
        proxy = self.connector.proxy(origin)
        target, extra = request_target(origin, proxy, request.target)
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        close = chunked = False
        for name, value in (*request.headers, *extra.items()):
            connection.putheader(name, value)
            close = close or (name.lower(), value.lower()) == ("connection", "close")
            chunked = chunked or name.lower() == "transfer-encoding"
        if isinstance(body, StreamedBody):
            connection.endheaders()
            body.transmit(connection, chunked=chunked)
        else:
            connection.endheaders(body or None)
        peer = None
        if not proxy and self.connector.target is None:
            with suppress(OSError):  # the server has closed it; a response may be in the buffer
                peer = str(sock.getpeername()[0])
        if timeouts := None if request.body_incomplete else request.timeouts:
            sock.settimeout(timeouts.head)
        response = connection.getresponse()
        if timeouts:
            sock.settimeout(timeouts.body)
        if close or request.body_incomplete:  # the server would take the next request for the rest of this body
            response.will_close = True
        headers = [
            (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.getheaders()
        ]
        content = None
        short = response.length is not None and self._prefetch is not None and response.length <= self._prefetch
        if short and not response.chunked:
            content = _read_short_body(response, origin, allow_partial=request.body_incomplete)
        return Exchange(connection, sock, response, headers, peer, content)

    def _idle_connection(self, route: Route) -> http.client.HTTPConnection | None:
        """Return an idle connection that is still open, None if there is none; close those that are not."""
        while True:
            with self._lock:
                if not self._idle[route]:
                    return None
                connection, since = self._idle[route].pop()
            if time.monotonic() - since < _IDLE_SECONDS and _is_open(connection):
                return connection
            connection.close()

    def release(self, route: Route, exchange: Exchange) -> None:
        """Return a connection to the pool if its response was read to the end; close it otherwise."""
        connection, response = exchange.connection, exchange.response
        if response.isclosed() and not response.will_close and connection.sock is not None:
            # The request may have set other timeouts.
            connection.sock.settimeout(self.connector.stall_timeout)
            with self._lock:
                if not self._closed:
                    self._idle[route].append((connection, time.monotonic()))
                    return
        # Closing the connection does not close a response whose body ends with the connection.
        response.close()
        connection.close()

    def close(self) -> None:
        """Close all idle connections; those in use are closed after their response."""
        with self._lock:
            self._closed = True
            connections = [connection for idle in self._idle.values() for connection, _ in idle]
            self._idle.clear()
        for connection in connections:
            connection.close()


class ResponseReader:
    """A response whose head has been read, and a blocking `ByteReader` of its body. To be closed after use."""

    def __init__(self, pool: ConnectionPool, request: Request, exchange: Exchange) -> None:
        self._pool, self._route, self._exchange = pool, request.route, exchange
        stall_timeout: float | None = pool.connector.stall_timeout
        if request.timeouts and not request.body_incomplete:
            stall_timeout = request.timeouts.body
        self._body = ResponseBody(exchange.response, exchange.sock, stall_timeout)
        self._lock = threading.Lock()
        self._reading = False
        self._released = False

    @property
    def status(self) -> int:
        """The status code."""
        return self._exchange.response.status

    def header(self, name: str) -> str:
        """Return the value of a header, empty if there is none."""
        return self._exchange.response.getheader(name) or ""

    def readinto(self, buffer: memoryview) -> int:
        """Read into ``buffer`` and return the number of bytes; 0 at the end of the body.

        Returns when the buffer is full, when the body ends, or after 0.2 seconds: many bytes at once from a fast
        server, regular progress from a slow one. Raises `ConnectionFailed`, `Stalled` or `Cancelled`.
        """
        with self._lock:
            if self._released:
                return 0  # closed before this thread began to read
            self._reading = True
        try:
            with on_cancel(partial(shutdown_socket, self._exchange.sock)):
                return self._body.readinto(buffer)
        except TimeoutError as error:
            connector = self._pool.connector
            raise connector.errors.stall_error(self._route.origin, connector.stall_timeout) from error
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # http.client raises the last two when another thread has closed the response.
            raise self._pool.connector.errors.read_error(error, self._route.origin) from error
        finally:
            with self._lock:
                self._reading = False
                must_release = self._released
            if must_release:
                self._pool.release(self._route, self._exchange)

    def close(self) -> None:
        """Return the connection to the pool, or close it if the body was not read to the end."""
        with self._lock:
            if self._released:
                return
            self._released = True
            if self._reading:
                return  # a thread that was cancelled is still reading: it releases the connection itself
        self._pool.release(self._route, self._exchange)


def _read_short_body(response: http.client.HTTPResponse, origin: Origin, *, allow_partial: bool) -> bytes:
    """Read a whole body of known length; raises `ConnectionFailed` if it ends early.

    ``allow_partial`` is for responses to a request that was not sent completely: the server may have closed
    the connection, and the status of the response is enough.
    """
    expected = response.length
    try:
        return response.read()
    except http.client.IncompleteRead as error:
        if allow_partial:
            return error.partial
        message = f"{origin.netloc}: the answer was cut short, {len(error.partial)} of {expected} bytes came"
        raise ConnectionFailed(message, host=origin.netloc) from error
    except OSError:
        response.close()
        if allow_partial:
            return b""
        raise


def _is_open(connection: http.client.HTTPConnection) -> bool:
    """Return whether an idle connection can be used: a readable one was closed, or the server broke the protocol."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)
