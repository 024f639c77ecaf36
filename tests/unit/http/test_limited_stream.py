"""Bodies of httpx within rate limits: every byte once, in small pieces, whatever the stream is like."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from pyskopeo.http.limited_stream import LimitedStream, limited
from pyskopeo.http.rate_limit import DOCUMENT_SIZE, HostLimits, RateLimit, RateLimits

pytestmark = pytest.mark.anyio
PIECES = [b"", b"a" * 3, b"b" * 200_000, b"", b"c"]


class Stream(httpx.AsyncByteStream):
    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    async def aclose(self) -> None:
        self.closed = True


async def test_nothing_is_lost_and_no_piece_is_larger_than_a_turn() -> None:
    limits = HostLimits((RateLimit(5_000_000),))
    stream = Stream()
    found = LimitedStream(stream, limits)
    pieces = [piece async for piece in found]
    assert b"".join(pieces) == b"".join(PIECES)
    assert all(0 < len(piece) <= max(DOCUMENT_SIZE, limits.turn) for piece in pieces)
    assert len(pieces) > 3
    await found.aclose()
    assert stream.closed


async def test_a_body_that_is_sent_again() -> None:
    """As a transport that retries does."""
    found = LimitedStream(httpx.ByteStream(b"abc"), HostLimits((RateLimit(1e9),)))
    for _ in range(2):
        assert b"".join([piece async for piece in found]) == b"abc"


async def test_requests_and_responses_count_for_their_host() -> None:
    limits = RateLimits(per_host=1_000_000)

    async def send(request: httpx.Request) -> httpx.Response:
        assert await request.aread() == b"x" * 10_000
        return httpx.Response(200, stream=Stream())

    request = httpx.Request("POST", "http://a.example/", content=b"x" * 10_000)
    response = await limited(send, limits)(request)
    assert b"".join([piece async for piece in response.aiter_raw()]) == b"".join(PIECES)
    ours, others = limits.of_host("a.example"), limits.of_host("b.example")
    assert ours is not None
    assert others is not None
    assert ours.limits[0]._free > others.limits[0]._free == 0


async def test_without_a_limit_for_the_host_nothing_changes() -> None:
    async def send(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Stream())

    response = await limited(send, RateLimits())(httpx.Request("GET", "http://a.example/"))
    assert type(response.stream) is Stream
