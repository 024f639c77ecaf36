"""The one HTTP/1.1 transport below httpx, for both planes.

httpx gives requests, headers and responses; this gives the bytes. Exchanges block, so they run in
worker threads; a response's stream can be iterated (manifests, tokens) or read into a buffer from
a worker thread (blobs), which is what makes it fast: no copy, no event loop in between.
"""

from __future__ import annotations

import http.client
import select
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import anyio

from ..errors import ConnectionFailed, NetworkError, Stalled
from ..fast_dataclass import dataclass
from ..streams.cancellation import Cancelled, on_cancel, run_in_thread
from ..streams.pump import ByteReader, MemoryReader
from .connect import Connector, explain, proxied_target
from .exchange import Exchange, shut
from .httpx_import import httpx
from .origin import Origin
from .request_body import Outgoing
from .response_body import Body

_PREFETCH = 16 * 1024
_CHUNK = 64 * 1024
_IDLE_SECONDS = 50.0
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class _Pool:
    """What connections may be shared for: an origin, reached under the same rules."""

    origin: Origin
    public_only: bool


class Wire(httpx.AsyncBaseTransport):
    """Keeps connections alive per origin. Raises pyskopeo's own errors, not httpx's."""

    def __init__(self, connector: Connector, *, requests: int = 64) -> None:
        self._connector = connector
        self._idle: defaultdict[_Pool, list[tuple[http.client.HTTPConnection, float]]] = defaultdict(list)
        self._guard = threading.Lock()
        self._closed = False
        self._requests = requests
        self._limiter: anyio.CapacityLimiter | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, return the head of the response; the body is read later."""
        outgoing = request.stream if isinstance(request.stream, Outgoing) else None
        body = outgoing or await request.aread()
        pool = _Pool(Origin.of(str(request.url)), bool(request.extensions.get("public_only")))
        # The thread is not waited for: it may be resolving a name, from which nothing wakes it.
        exchange = await run_in_thread(
            partial(self._send, pool, request, body), discard=Exchange.discard, limiter=self.limiter
        )
        stream: httpx.AsyncByteStream
        reader: ByteReader
        if exchange.body is not None:
            stream, reader = httpx.ByteStream(exchange.body), MemoryReader(exchange.body)
        else:
            stream = reader = WireStream(self, pool, exchange)
        # httpx wraps the stream, so what can read it from a worker thread travels beside it.
        extensions = {"peer": exchange.peer, "reader": reader}
        return httpx.Response(exchange.response.status, headers=exchange.headers, stream=stream, extensions=extensions)

    async def aclose(self) -> None:
        """Close every idle connection; those in use close when they are done."""
        with self._guard:
            self._closed = True
            connections = [connection for pool in self._idle.values() for connection, _ in pool]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def _send(self, pool: _Pool, request: httpx.Request, body: bytes | Outgoing) -> Exchange:
        while True:
            reused = self._take(pool)
            connection = reused or self._connector.open(pool.origin, public_only=pool.public_only)
            try:
                # Left before the connection is closed or handed over: see `exchange`.
                with on_cancel(partial(shut, connection.sock)):
                    exchange = self._converse(pool, request, body, connection)
            except Exception as error:
                connection.close()
                dead = isinstance(error, OSError) and not isinstance(error, TimeoutError)
                if reused and dead and request.method in _REPEATABLE:
                    continue  # the server had closed it while it was idle: not a failure worth a mention
                if isinstance(error, NetworkError | Cancelled):
                    raise
                if isinstance(error, TimeoutError):
                    raise _stalled(pool.origin, self._connector.stall_timeout) from error
                greeted = reused is None and pool.origin.scheme == "https" and not isinstance(body, Outgoing)
                raise explain(error, pool.origin, greeted=greeted) from error
            if exchange.body is not None:
                self.release(pool, connection, exchange.response)
            return exchange

    def _converse(
        self, pool: _Pool, request: httpx.Request, body: bytes | Outgoing, connection: http.client.HTTPConnection
    ) -> Exchange:
        sock, proxy = connection.sock, self._connector.proxy(pool.origin)
        target, extra = proxied_target(pool.origin, proxy, request.url.raw_path.decode("ascii"))
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in (*request.headers.items(), *extra.items()):
            connection.putheader(name, value)
        if isinstance(body, Outgoing):
            connection.endheaders()
            body.carry(connection, chunked="transfer-encoding" in request.headers)
        else:
            connection.endheaders(body or None)
        peer = None
        if not proxy:
            with suppress(OSError):  # it has closed, and may have said why
                peer = str(sock.getpeername()[0])
        response = connection.getresponse()
        cut = isinstance(body, Outgoing) and not body.complete
        if cut:
            response.will_close = True  # what the server has not read stands in the way of the next request
        headers = [
            (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.getheaders()
        ]
        content = None
        if response.length is not None and response.length <= _PREFETCH and not response.chunked:
            content = _read_all(response, pool.origin, any_will_do=cut)
        return Exchange(connection, sock, response, headers, peer, content)

    def _take(self, pool: _Pool) -> http.client.HTTPConnection | None:
        """An idle connection that still looks alive."""
        while True:
            with self._guard:
                if not self._idle[pool]:
                    return None
                connection, since = self._idle[pool].pop()
            if time.monotonic() - since < _IDLE_SECONDS and _is_quiet(connection):
                return connection
            connection.close()

    def release(
        self, pool: _Pool, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        """Take a connection back: kept if its response was read to the end, closed otherwise."""
        if response.isclosed() and not response.will_close and connection.sock is not None:
            with self._guard:
                if not self._closed:
                    self._idle[pool].append((connection, time.monotonic()))
                    return
        # http.client leaves a response that ends with its connection to itself.
        response.close()
        connection.close()

    @property
    def limiter(self) -> anyio.CapacityLimiter:
        """The threads that requests may use; not those of the blobs, which may wait for requests."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._requests)
        return self._limiter

    @property
    def stall_timeout(self) -> float:
        return self._connector.stall_timeout


class WireStream(httpx.AsyncByteStream):
    """The body of a response: an async iterator for httpx, and a blocking `ByteReader` for the pump."""

    def __init__(self, wire: Wire, pool: _Pool, exchange: Exchange) -> None:
        self._wire, self._pool, self._exchange = wire, pool, exchange
        self._body = Body(exchange.response, exchange.sock, wire.stall_timeout)
        self._guard = threading.Lock()
        self._reading = False
        self._released = False

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
            raise _stalled(self._pool.origin, self._wire.stall_timeout) from error
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # The last two are how http.client fails when another thread has closed it.
            raise ConnectionFailed(
                f"{self._pool.origin.netloc}: connection lost: {str(error) or type(error).__name__}",
                host=self._pool.origin.netloc,
            ) from error
        finally:
            with self._guard:
                self._reading = False
                left_to_us = self._released
            if left_to_us:
                self._release()

    def __aiter__(self) -> AsyncIterator[bytes]:
        # No generator: one that is left before its end is a warning on trio.
        return self

    async def __anext__(self) -> bytes:
        piece = await run_in_thread(self._read_piece, limiter=self._wire.limiter)
        if not piece:
            raise StopAsyncIteration
        return piece

    def _read_piece(self) -> bytes:
        buffer = memoryview(bytearray(_CHUNK))
        return bytes(buffer[: self.readinto(buffer)])

    async def aclose(self) -> None:
        with self._guard:
            if self._released:
                return
            self._released = True
            if self._reading:
                return  # by a thread that nobody waited for; it closes what it is using
        self._release()

    def _release(self) -> None:
        self._wire.release(self._pool, self._exchange.connection, self._exchange.response)


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
    """Nothing is owed on an idle connection, so a readable one is closed, or speaks nonsense."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)


def _stalled(origin: Origin, seconds: float) -> Stalled:
    return Stalled(f"{origin.netloc}: no progress for {seconds:g} s (--stall-timeout)", host=origin.netloc)
