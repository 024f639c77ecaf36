"""Blocking HTTP/1.1 requests, on connections that are kept alive; for worker threads.

A connection belongs to the thread that talks on it, then to the pool or to the response's reader. See `exchange`.
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
from .connect import Connector, proxied_target
from .exchange import Exchange, shut
from .origin import Origin
from .response_body import Body
from .streamed_body import StreamedBody

_PREFETCH = 16 * 1024
_IDLE_SECONDS = 50.0
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Route:
    """What connections may be shared for: an origin, reached under the same rules.

    ``public_only`` refuses addresses that are not public.
    """

    origin: Origin
    public_only: bool = False


@dataclass(frozen=True, slots=True)
class ResponseTimeouts:
    """How long a response may make no progress, in seconds, until its ``head`` is read and in its ``body``.

    None is without limit.
    """

    head: float | None
    body: float | None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent. ``target`` is its path with the query, ``headers`` are all there are, ``Host`` too.

    ``timeouts`` None: the connector's ``stall_timeout`` for both.
    """

    method: str
    route: Route
    target: str
    headers: Collection[tuple[str, str]]
    body: bytes | StreamedBody = b""
    timeouts: ResponseTimeouts | None = None

    @property
    def cut(self) -> bool:
        """Whether the body is not sent completely, or not yet."""
        return isinstance(self.body, StreamedBody) and not self.body.complete


class ConnectionPool:
    """Keeps connections alive per route. Raises pyskopeo's own errors.

    Bodies of known length up to ``prefetch`` bytes, None for no body, are read together with the head of their
    response, so that a body which is cut short fails the request. A connection is closed after a request whose
    headers have ``Connection: close``.
    """

    def __init__(self, connector: Connector, *, prefetch: int | None = _PREFETCH) -> None:
        self.connector, self._prefetch = connector, prefetch
        self._idle: defaultdict[Route, list[tuple[http.client.HTTPConnection, float]]] = defaultdict(list)
        self._guard = threading.Lock()
        self._closed = False

    def send(self, request: Request) -> Exchange:
        """Send the request; returns the head of the response. Raises `NetworkError` or `Cancelled`."""
        route = request.route
        while True:
            reused = self._take(route)
            connection = reused or self.connector.open(route.origin, public_only=route.public_only)
            try:
                # Left before the connection is closed or handed over: see `exchange`.
                with on_cancel(partial(shut, connection.sock)):
                    exchange = self._converse(request, connection)
            except Exception as error:
                connection.close()
                dead = isinstance(error, OSError) and not isinstance(error, TimeoutError)
                if reused and dead and request.method in _REPEATABLE:
                    continue  # the server had closed it while it was idle: not a failure worth a mention
                if isinstance(error, NetworkError | Cancelled):
                    raise
                if isinstance(error, TimeoutError):
                    raise self.connector.errors.stalled(route.origin, self.connector.stall_timeout) from error
                greeted = reused is None and route.origin.scheme == "https" and isinstance(request.body, bytes)
                raise self.connector.errors.exchanging(error, route.origin, greeted=greeted) from error
            if exchange.body is not None:
                self.release(route, exchange)
            return exchange

    def _converse(self, request: Request, connection: http.client.HTTPConnection) -> Exchange:
        sock, origin, body = connection.sock, request.route.origin, request.body
        proxy = self.connector.proxy(origin)
        target, extra = proxied_target(origin, proxy, request.target)
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        close = chunked = False
        for name, value in (*request.headers, *extra.items()):
            connection.putheader(name, value)
            close = close or (name.lower(), value.lower()) == ("connection", "close")
            chunked = chunked or name.lower() == "transfer-encoding"
        if isinstance(body, StreamedBody):
            connection.endheaders()
            body.carry(connection, chunked=chunked)
        else:
            connection.endheaders(body or None)
        peer = None
        if not proxy and self.connector.target is None:
            with suppress(OSError):  # it has closed, and may have said why
                peer = str(sock.getpeername()[0])
        if timeouts := None if request.cut else request.timeouts:
            sock.settimeout(timeouts.head)
        response = connection.getresponse()
        if timeouts:
            sock.settimeout(timeouts.body)
        if close or request.cut:  # the server would take the rest of a body for the next request
            response.will_close = True
        headers = [
            (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.getheaders()
        ]
        content = None
        short = response.length is not None and self._prefetch is not None and response.length <= self._prefetch
        if short and not response.chunked:
            content = _read_all(response, origin, any_will_do=request.cut)
        return Exchange(connection, sock, response, headers, peer, content)

    def _take(self, route: Route) -> http.client.HTTPConnection | None:
        """An idle connection that still looks alive."""
        while True:
            with self._guard:
                if not self._idle[route]:
                    return None
                connection, since = self._idle[route].pop()
            if time.monotonic() - since < _IDLE_SECONDS and _is_quiet(connection):
                return connection
            connection.close()

    def release(self, route: Route, exchange: Exchange) -> None:
        """Take a connection back: kept if its response was read to the end, closed otherwise."""
        connection, response = exchange.connection, exchange.response
        if response.isclosed() and not response.will_close and connection.sock is not None:
            # The response may have had timeouts of its own.
            connection.sock.settimeout(self.connector.stall_timeout)
            with self._guard:
                if not self._closed:
                    self._idle[route].append((connection, time.monotonic()))
                    return
        # http.client leaves a response that ends with its connection to itself.
        response.close()
        connection.close()

    def close(self) -> None:
        """Close every idle connection; those in use close when they are done."""
        with self._guard:
            self._closed = True
            connections = [connection for idle in self._idle.values() for connection, _ in idle]
            self._idle.clear()
        for connection in connections:
            connection.close()


class ResponseReader:
    """A response whose head is read: a blocking `ByteReader` of its body, which is closed when done."""

    def __init__(self, pool: ConnectionPool, request: Request, exchange: Exchange) -> None:
        self._pool, self._route, self._exchange = pool, request.route, exchange
        stall_timeout: float | None = pool.connector.stall_timeout
        if request.timeouts and not request.cut:
            stall_timeout = request.timeouts.body
        self._body = Body(exchange.response, exchange.sock, stall_timeout)
        self._guard = threading.Lock()
        self._reading = False
        self._released = False

    @property
    def status(self) -> int:
        return self._exchange.response.status

    def header(self, name: str) -> str:
        """The value of a header, empty if there is none."""
        return self._exchange.response.getheader(name) or ""

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of ``buffer``; 0 at the end. Raises `ConnectionFailed`, `Stalled` or `Cancelled`.

        Returns when the buffer is full, the body ends, or a moment has passed: large pieces from a
        fast server, steady progress from a slow one.
        """
        with self._guard:
            if self._released:
                return 0  # given up before it began
            self._reading = True
        try:
            with on_cancel(partial(shut, self._exchange.sock)):
                return self._body.readinto(buffer)
        except TimeoutError as error:
            connector = self._pool.connector
            raise connector.errors.stalled(self._route.origin, connector.stall_timeout) from error
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # The last two are how http.client fails when another thread has closed it.
            raise self._pool.connector.errors.reading(error, self._route.origin) from error
        finally:
            with self._guard:
                self._reading = False
                left_to_us = self._released
            if left_to_us:
                self._pool.release(self._route, self._exchange)

    def close(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        with self._guard:
            if self._released:
                return
            self._released = True
            if self._reading:
                return  # by a thread that nobody waited for; it closes what it is using
        self._pool.release(self._route, self._exchange)


def _read_all(response: http.client.HTTPResponse, origin: Origin, *, any_will_do: bool) -> bytes:
    """A small body. Of a refusal in the middle of a request the rest may be lost, and its status says enough."""
    wanted = response.length
    try:
        return response.read()
    except http.client.IncompleteRead as error:
        if any_will_do:
            return error.partial
        cut = f"{origin.netloc}: the answer was cut short, {len(error.partial)} of {wanted} bytes came"
        raise ConnectionFailed(cut, host=origin.netloc) from error
    except OSError:
        response.close()
        if any_will_do:
            return b""
        raise


def _is_quiet(connection: http.client.HTTPConnection) -> bool:
    """Whether nothing can be read from an idle connection: if something can, the server has closed it, or errs."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)
