"""Bodies of httpx within rate limits, for transports other than `HTTPTransport`: a caller's client, some proxies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from .httpx_import import httpx
from .rate_limit import HostLimits, Pace, RateLimits

HTTPXSend: TypeAlias = Callable[[httpx.Request], Awaitable[httpx.Response]]


class LimitedStream(httpx.AsyncByteStream):
    """The body of a request or a response of httpx, which is iterated over within rate limits.

    httpx receives no more while it is not asked for more.
    """

    def __init__(self, stream: httpx.AsyncByteStream, limits: HostLimits) -> None:
        self._stream, self._pace = stream, Pace(limits)
        self._pieces: AsyncIterator[bytes] | None = None
        self._rest = memoryview(b"")

    def __aiter__(self) -> AsyncIterator[bytes]:
        # Not a generator: trio warns of one that is not finished.
        self._pieces = aiter(self._stream)
        return self

    async def __anext__(self) -> bytes:
        assert self._pieces is not None
        while not self._rest:
            self._rest = memoryview(await anext(self._pieces))
        count = await self._pace.wait_async(len(self._rest))
        self._pace.moved(count)
        piece, self._rest = bytes(self._rest[:count]), self._rest[count:]
        return piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def limited(send: HTTPXSend, limits: RateLimits) -> HTTPXSend:
    """Return ``send`` with the bodies of its requests and responses within rate limits."""

    async def send_within(request: httpx.Request) -> httpx.Response:
        found = limits.of_host(request.url.host)
        if found is None:
            return await send(request)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        request.stream = LimitedStream(request.stream, found)
        response = await send(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = LimitedStream(response.stream, found)
        return response

    return send_within
