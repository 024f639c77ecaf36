"""Send requests on blocking sockets in worker threads; `connection_pool` sends and reads the bytes.

A document is read as a whole by one call of a worker thread, most of them together with the head of their response. A
blob is read by a worker thread into its buffer: there is no copy, and the event loop takes no part in it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Self

from ..streams.cancellation import run_in_thread
from .connect import Connector, connects_through
from .connection_pool import ConnectionPool, ResponseReader
from .exchange import Exchange
from .messages import Body, HeldBody, Request, Response, Route

if TYPE_CHECKING:
    from types import TracebackType

    import anyio

    from .preconnection import ServerPreconnections
    from .proxy_router import ProxyRouter
    from .time_limits import DocumentDeadline


class HTTPTransport:
    """Sends requests by a `ConnectionPool`. Raises pyskopeo's own errors.

    An async context manager. ``requests`` is the maximum number of concurrent requests, ``preconnections`` those of a
    `ConnectionPool`.
    """

    def __init__(
        self, connector: Connector, *, requests: int = 64, preconnections: ServerPreconnections | None = None
    ) -> None:
        self.connector, self.pool = connector, ConnectionPool(connector, preconnections=preconnections)
        self._time_limits = connector.stall_timeout, connector.response_timeout
        self._proxy_router: ProxyRouter | None = None
        self._requests = requests
        self._limiter: anyio.CapacityLimiter | None = None

    async def send(self, request: Request) -> Response:
        """Send the request and return the response, whose body is read later. Raises `NetworkError`."""
        origin = request.route.origin
        proxy = self.connector.proxy(origin)
        if proxy is not None and not connects_through(proxy):
            return await self._other_proxies().send(request, proxy)
        # A cancellation does not wait for the thread: it may be resolving a name, which cannot be interrupted.
        exchange = await run_in_thread(
            partial(self.pool.send, request), discard=Exchange.discard, limiter=self.limiter
        )
        content = exchange.content
        body: Body = _UnreadBody(self, request.route, exchange) if content is None else HeldBody(content)
        return Response(
            exchange.head.status,
            exchange.head.headers,
            body,
            peer=exchange.peer or "",
            time_limits=self._time_limits,
            ends_with_connection=exchange.body.ends_with_connection,
        )

    def _other_proxies(self) -> ProxyRouter:
        if self._proxy_router is None:
            from .proxy_router import ProxyRouter  # which imports httpx

            self._proxy_router = ProxyRouter(self.connector)
        return self._proxy_router

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all idle connections; those in use are closed after their response."""
        self.pool.close()
        if self._proxy_router is not None:
            await self._proxy_router.aclose()

    @property
    def limiter(self) -> anyio.CapacityLimiter:
        """Limits the threads of requests. Those of blobs have another limiter, because they wait for requests."""
        if self._limiter is None:
            from anyio import CapacityLimiter

            self._limiter = CapacityLimiter(self._requests)
        return self._limiter


class _UnreadBody(ResponseReader):
    """The body of a response whose head was read: a document, or a blocking `ByteReader` for the pump."""

    def __init__(self, transport: HTTPTransport, route: Route, exchange: Exchange) -> None:
        super().__init__(transport.pool, route, exchange)
        self._transport = transport

    @property
    def reader(self) -> _UnreadBody:
        return self

    async def read(self, limit: int, deadline: DocumentDeadline) -> tuple[bytes, bool]:
        """Return the body, or more than ``limit`` bytes of it, and whether that came before ``deadline``."""
        return await run_in_thread(partial(self.read_document, limit, deadline), limiter=self._transport.limiter)

    async def aclose(self) -> None:
        """Return the connection to the pool, or close it if the body was not read to the end."""
        self.close()
