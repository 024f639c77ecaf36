"""The transport below httpx: requests are sent by worker threads, responses read by them.

httpx gives requests, headers and responses; `connection_pool` gives the bytes. Exchanges block, so they run in
worker threads; a response's stream can be iterated (manifests, tokens) or read into a buffer from
a worker thread (blobs), which is what makes it fast: no copy, no event loop in between.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import anyio

from ..streams.cancellation import run_in_thread
from ..streams.pump import ByteReader, MemoryReader
from .connect import Connector
from .connection_pool import ConnectionPool, Request, ResponseReader, Route
from .exchange import Exchange
from .httpx_import import httpx
from .origin import Origin
from .proxy_router import ProxyRouter
from .request_body import Outgoing

_CHUNK = 64 * 1024


class Wire(ConnectionPool, httpx.AsyncBaseTransport):
    """A `ConnectionPool` as a transport of httpx. Raises pyskopeo's own errors, not httpx's.

    ``requests`` is the number of requests at once.
    """

    def __init__(self, connector: Connector, *, requests: int = 64) -> None:
        super().__init__(connector)
        self._other_proxies = ProxyRouter(connector.context)
        self._requests = requests
        self._limiter: anyio.CapacityLimiter | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, return the head of the response; the body is read later.

        Raises `NetworkError`, `Cancelled`, and httpx's `TransportError` where httpx talks to the proxy.
        """
        origin = Origin.of(str(request.url))
        proxy = self.connector.proxy(origin)
        if proxy is not None and ProxyRouter.serves(proxy):
            return await self._other_proxies.send(request, origin, proxy)
        body = request.stream if isinstance(request.stream, Outgoing) else await request.aread()
        route = Route(origin, bool(request.extensions.get("public_only")))
        sent = Request(request.method, route, request.url.raw_path.decode("ascii"), request.headers.items(), body)
        # The thread is not waited for: it may be resolving a name, from which nothing wakes it.
        exchange = await run_in_thread(partial(self.send, sent), discard=Exchange.discard, limiter=self.limiter)
        stream: httpx.AsyncByteStream
        reader: ByteReader
        if exchange.body is not None:
            stream, reader = httpx.ByteStream(exchange.body), MemoryReader(exchange.body)
        else:
            stream = reader = WireStream(self, sent, exchange)
        # httpx wraps the stream, so what can read it from a worker thread travels beside it.
        extensions = {"peer": exchange.peer, "reader": reader}
        return httpx.Response(exchange.response.status, headers=exchange.headers, stream=stream, extensions=extensions)

    async def aclose(self) -> None:
        """Close every idle connection; those in use close when they are done."""
        self.close()
        await self._other_proxies.aclose()

    @property
    def limiter(self) -> anyio.CapacityLimiter:
        """The threads that requests may use; not those of the blobs, which may wait for requests."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._requests)
        return self._limiter


class WireStream(ResponseReader, httpx.AsyncByteStream):
    """The body of a response: an async iterator for httpx, and a blocking `ByteReader` for the pump."""

    def __init__(self, wire: Wire, request: Request, exchange: Exchange) -> None:
        super().__init__(wire, request, exchange)
        self._limiter = wire.limiter

    def __aiter__(self) -> AsyncIterator[bytes]:
        # No generator: one that is left before its end is a warning on trio.
        return self

    async def __anext__(self) -> bytes:
        piece = await run_in_thread(self._read_piece, limiter=self._limiter)
        if not piece:
            raise StopAsyncIteration
        return piece

    def _read_piece(self) -> bytes:
        buffer = memoryview(bytearray(_CHUNK))
        return bytes(buffer[: self.readinto(buffer)])

    async def aclose(self) -> None:
        self.close()
