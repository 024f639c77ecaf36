"""Small bodies of responses: their size and their time are limited, whoever received them."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidContent, Stalled, TooLarge
from pyskopeo.http.headers import Headers
from pyskopeo.http.messages import HeldBody, Response
from pyskopeo.http.read_bounded import read_bounded
from pyskopeo.http.time_limits import DocumentDeadline

pytestmark = pytest.mark.anyio


class Late(HeldBody):
    """A body that does not come in time."""

    async def read(self, limit: int, deadline: DocumentDeadline) -> tuple[bytes, bool]:
        return self.content[: limit + 1], False


def response(body: HeldBody, encoding: str = "identity") -> Response:
    return Response(200, Headers.of({"Content-Encoding": encoding}), body)


async def test_a_body() -> None:
    assert await read_bounded(response(HeldBody(b"ab")), 2, "x") == b"ab"
    assert await read_bounded(Response(200), 2, "x") == b""


async def test_a_body_that_is_too_large() -> None:
    with pytest.raises(TooLarge, match="x: the answer is over the limit of 4 bytes"):
        await read_bounded(response(HeldBody(b"abcde")), 4, "x")
    assert await read_bounded(response(HeldBody(b"abcde")), 4, "x", truncate=True) == b"abcd"


async def test_a_body_that_is_encoded() -> None:
    with pytest.raises(InvalidContent, match="x: answered with Content-Encoding gzip, unasked"):
        await read_bounded(response(HeldBody(b"abc"), "GZIP"), 4, "x")
    assert await read_bounded(response(HeldBody(b"abc"), "gzip"), 4, "x", truncate=True) == b"abc"
    assert await read_bounded(response(HeldBody(b" {}"), "gzip"), 4, "x") == b" {}"


async def test_a_body_that_comes_too_slowly() -> None:
    with pytest.raises(Stalled, match="x: the answer comes too slowly, only 3 bytes of it came .--stall") as caught:
        await read_bounded(response(Late(b"abc")), 5000, "x")
    assert caught.value.temporary


async def test_an_error_that_comes_too_slowly_is_told_as_far_as_it_came() -> None:
    assert await read_bounded(response(Late(b"abc")), 5000, "x", truncate=True) == b"abc"
