"""Small bodies of responses: their size and their time are limited, whichever client received them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import anyio
import httpx
import pytest

from pyskopeo.errors import InvalidContent, Stalled, TooLarge
from pyskopeo.http.read_bounded import read_bounded

pytestmark = pytest.mark.anyio


class Pieces(httpx.AsyncByteStream):
    """A body in pieces, with a pause before each."""

    def __init__(self, pieces: Iterable[bytes], pause: float = 0.0) -> None:
        self._pieces, self._pause = iter(pieces), pause
        self.given = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await anyio.sleep(self._pause)
        self.given += 1
        try:
            return next(self._pieces)
        except StopIteration:
            raise StopAsyncIteration from None


def response(stream: Pieces, encoding: str = "identity", limits: tuple[float, float] | None = None) -> httpx.Response:
    extensions = {} if limits is None else {"time_limits": limits}
    return httpx.Response(200, headers={"Content-Encoding": encoding}, stream=stream, extensions=extensions)


async def test_a_body() -> None:
    assert await read_bounded(response(Pieces([b"a", b"b"])), 2, "x") == b"ab"
    assert await read_bounded(response(Pieces([])), 2, "x") == b""


async def test_a_body_that_is_too_large() -> None:
    stream = Pieces([b"abc"] * 100)
    with pytest.raises(TooLarge, match="x: the answer is over the limit of 4 bytes"):
        await read_bounded(response(stream), 4, "x")
    assert stream.given == 2
    assert await read_bounded(response(Pieces([b"abc"] * 100)), 4, "x", truncate=True) == b"abca"


async def test_a_body_that_is_encoded() -> None:
    with pytest.raises(InvalidContent, match="x: answered with Content-Encoding gzip, unasked"):
        await read_bounded(response(Pieces([b"abc"]), "GZIP"), 4, "x")
    assert await read_bounded(response(Pieces([b"abc"]), "gzip"), 4, "x", truncate=True) == b"abc"
    assert await read_bounded(response(Pieces([b" {}"]), "gzip"), 4, "x") == b" {}"


async def test_a_body_that_comes_too_slowly() -> None:
    stream = Pieces([b"a"] * 1000, 0.02)
    with pytest.raises(Stalled, match="x: the answer comes too slowly, only [0-9]+ bytes of it came .--stall") as caught:
        await read_bounded(response(stream, limits=(0.1, 5.0)), 5000, "x")
    assert caught.value.temporary
    assert 1 <= stream.given < 50


async def test_an_error_that_comes_too_slowly_is_told_as_far_as_it_came() -> None:
    stream = Pieces([b"a"] * 1000, 0.02)
    found = await read_bounded(response(stream, limits=(0.1, 5.0)), 5000, "x", truncate=True)
    assert found == b"a" * len(found)
    assert 1 <= len(found) < 50
