"""A transport of httpx on blocking sockets: requests are sent, and responses read, in worker threads.

httpx has the requests, headers and responses; `connection_pool` sends and reads the bytes. The stream of a response
can be iterated (manifests, tokens), or read into a buffer by a worker thread (blobs). The latter is faster: there is no
copy, and the event loop takes no part in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..streams.byte_streams import ByteReader
from ..streams.cancellation import run_in_thread
from ..streams.pump import MemoryReader
from .connect import Connector
from .connection_pool import ConnectionPool, Request, ResponseReader, Route
from .exchange import Exchange
from .httpx_import import httpx
from .origin import Origin
from .proxy_router import ProxyRouter
from .request_body import RequestBody

if TYPE_CHECKING:
    from .preconnection import Preconnection

_CHUNK = 64 * 1024


class HTTPTransport(ConnectionPool, httpx.AsyncBaseTransport):
    """A `ConnectionPool` as a transport of httpx. Raises pyskopeo's own errors, not httpx's.

    ``requests`` is the maximum number of concurrent requests, ``preconnection`` that of a `ConnectionPool`.
    """

    def __init__(
        self, connector: Connector, *, requests: int = 64, preconnection: Preconnection | None = None
    ) -> None:
        super().__init__(connector, preconnection=preconnection)
        self._other_proxies = ProxyRouter(
            connector.context, connector.connect_timeout + connector.response_timeout, connector.rate_limits
        )
        self._requests = requests
        self._limiter: anyio.CapacityLimiter | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return the response, whose body is read later.

        The extension ``reach`` of a request, a `Locality`, refuses addresses that are more local. A response has the
        extensions ``peer``, the IP address of the server, and ``reader``, a blocking `ByteReader` of the body. Raises
        `NetworkError`, `Cancelled`, and httpx's `TransportError` through a proxy that httpx connects to.
        """
        origin = Origin.of(str(request.url))
        proxy = self.connector.proxy(origin)
        if proxy is not None and ProxyRouter.handles(proxy):
            return await self._other_proxies.send(request, origin, proxy)
        body = request.stream if isinstance(request.stream, RequestBody) else await request.aread()
        route = Route(origin, request.extensions.get("reach"))
        sent = Request(request.method, route, request.url.raw_path.decode("ascii"), request.headers.items(), body)
        # A cancellation does not wait for the thread: it may be resolving a name, which cannot be interrupted.
        exchange = await run_in_thread(partial(self.send, sent), discard=Exchange.discard, limiter=self.limiter)
        stream: httpx.AsyncByteStream
        reader: ByteReader
        if exchange.content is not None:
            stream, reader = httpx.ByteStream(exchange.content), MemoryReader(exchange.content)
        else:
            stream = reader = ResponseStream(self, route, exchange)
        # httpx wraps the stream, so the reader for worker threads is passed beside it.
        extensions = {"peer": exchange.peer, "reader": reader}
        return httpx.Response(exchange.head.status, headers=exchange.head.fields, stream=stream, extensions=extensions)

    async def aclose(self) -> None:
        """Close all idle connections; those in use are closed after their response."""
        self.close()
        await self._other_proxies.aclose()

    @property
    def limiter(self) -> anyio.CapacityLimiter:
        """Limits the threads of requests. Those of blobs have another limiter, because they wait for requests."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._requests)
        return self._limiter


class ResponseStream(ResponseReader, httpx.AsyncByteStream):
    """The body of a response: an async iterator for httpx, and a blocking `ByteReader` for the pump."""

    def __init__(self, transport: HTTPTransport, route: Route, exchange: Exchange) -> None:
        super().__init__(transport, route, exchange)
        self._limiter = transport.limiter

    def __aiter__(self) -> AsyncIterator[bytes]:
        # Not a generator: trio warns of one that is not finished.
        self._exchange.body.is_document()
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
