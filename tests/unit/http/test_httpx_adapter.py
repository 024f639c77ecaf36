"""Requests that httpx sends: what it is given, what is made of its responses and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest

from pyskopeo.access import Network
from pyskopeo.errors import ConnectionFailed, Stalled, TooLarge
from pyskopeo.http.httpx_adapter import HTTPXSender
from pyskopeo.http.locality import Locality
from pyskopeo.http.messages import Response
from pyskopeo.http.rate_limit import RateLimits
from pyskopeo.http.read_bounded import read_bounded
from pyskopeo.http.request_body import RequestBody
from pyskopeo.http.request_url import request_to
from pyskopeo.streams.cancellation import run_in_thread

pytestmark = pytest.mark.anyio
LIMITS = Network(connect_timeout=5, stall_timeout=10, response_timeout=20)
URL = "https://registry.example:5000/v2/a?b=c"


class Pieces(httpx.AsyncByteStream):
    """A body in pieces, with a pause before each; then an error, if there is one."""

    def __init__(self, pieces: Iterable[bytes], pause: float = 0.0, error: Exception | None = None) -> None:
        self._pieces, self._pause, self._error = iter(pieces), pause, error
        self.given = 0
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await anyio.sleep(self._pause)
        self.given += 1
        for piece in self._pieces:
            return piece
        raise self._error or StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


def sender(answer: Callable[[httpx.Request], httpx.Response], *, name: str = "", **limits: Any) -> HTTPXSender:
    async def send(request: httpx.Request) -> httpx.Response:
        return answer(request)

    return HTTPXSender(send, replace(LIMITS, **limits), name)


async def answered(stream: httpx.AsyncByteStream, **limits: Any) -> Response:
    found = sender(lambda _: httpx.Response(200, stream=stream), **limits)
    return await found.send(request_to("GET", URL, "test", {}))


async def test_a_request_and_its_response() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        fields = [("Link", "a"), ("Link", "b"), ("ETag", '"x"')]
        return httpx.Response(202, headers=fields, stream=Pieces([]), extensions={"peer": "10.0.0.1"})

    request = request_to("PUT", URL, "test", {"Accept": "*/*"}, b"content", reach=Locality.PUBLIC)
    response = await sender(answer).send(request)
    assert (response.status_code, response.peer, response.time_limits) == (202, "10.0.0.1", (10, 20))
    assert dict(response.headers) == {"link": "a, b", "etag": '"x"'}
    assert response.headers.get_list("Link") == ["a", "b"]
    assert not response.ends_with_connection
    assert (seen[0].method, str(seen[0].url), seen[0].content) == ("PUT", URL, b"content")
    assert dict(seen[0].headers) == {
        "host": "registry.example:5000", "user-agent": "test", "accept-encoding": "identity", "accept": "*/*",
        "content-length": "7",
    }  # fmt: skip
    assert seen[0].extensions["reach"] is Locality.PUBLIC
    assert seen[0].extensions["timeout"] == {"connect": 5, "read": 10, "write": 10, "pool": 10}


async def test_the_timeout_until_the_response_begins() -> None:
    seen: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        return httpx.Response(200)

    await sender(answer).send(request_to("GET", URL, "test", {}))
    assert seen == [20]


async def test_a_streamed_body() -> None:
    async def send(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Pieces([await request.aread()]))

    body = RequestBody()
    request = request_to("PATCH", URL, "test", {"Transfer-Encoding": "chunked"}, body)
    found: list[bytes] = []

    async def exchange() -> None:
        response = await HTTPXSender(send, LIMITS).send(request)
        found.append(await read_bounded(response, 100, "x"))

    def write() -> None:
        body.write(memoryview(b"one "))
        body.write(memoryview(b"two"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(exchange)
        await run_in_thread(write)
        body.finish()
    assert found == [b"one two"]


@pytest.mark.parametrize(("name", "where"), [("", "registry.example:5000"), ("The log at x", "The log at x")])
@pytest.mark.parametrize(("error", "reason"), [(httpx.ConnectError("no route"), "no route"), (httpx.PoolTimeout(""), "PoolTimeout")])
async def test_errors(error: httpx.TransportError, reason: str, name: str, where: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(ConnectionFailed) as caught:
        await sender(fail, name=name).send(request_to("GET", URL, "test", {}))
    assert (str(caught.value), caught.value.host) == (f"{where}: {reason}", "registry.example:5000")


async def test_errors_in_a_body() -> None:
    with pytest.raises(ConnectionFailed, match="^connection lost: ReadError$"):
        await read_bounded(await answered(Pieces([b"a"], error=httpx.ReadError(""))), 10, "x")
    response = await answered(Pieces([], error=httpx.ReadError("cut")))
    with pytest.raises(ConnectionFailed, match="^connection lost: cut$"):
        await run_in_thread(lambda: response.reader.readinto(memoryview(bytearray(10))))


async def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    stream = Pieces([b"abc"] * 100)
    response = await answered(stream)
    with pytest.raises(TooLarge, match="x: the answer is over the limit of 4 bytes"):
        await read_bounded(response, 4, "x")
    assert stream.given == 2
    await response.aclose()
    assert stream.closed


async def test_a_body_that_comes_too_slowly() -> None:
    stream = Pieces([b"a"] * 1000, 0.02)
    with pytest.raises(Stalled, match="only [0-9]+ bytes of it came"):
        await read_bounded(await answered(stream, stall_timeout=0.1), 5000, "x")
    assert 1 <= stream.given < 50


async def test_a_body_is_read_by_a_thread() -> None:
    response = await answered(Pieces([b"", b"abc", b"", b"de"]), rate_limits=RateLimits(per_host=1e9))
    buffer = memoryview(bytearray(2))

    def read() -> bytes:
        found = bytearray()
        while count := response.reader.readinto(buffer):
            found += buffer[:count]
        return bytes(found)

    assert await run_in_thread(read) == b"abcde"
