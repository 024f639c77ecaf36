"""Downloads through an httpx client that the caller brought: pieces, ranges, retries, layers that are elsewhere."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import anyio
import httpx
import pytest

from pyskopeo.errors import (
    ConnectionFailed,
    ContentMismatch,
    NetworkError,
    RegistryError,
    UnsafeAddress,
    Unsupported,
)
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.registry.blob_download import BlobDownload
from pyskopeo.registry.mirrors import Endpoints
from pyskopeo.streams.pump import Blob
from tests.support.access import access_for
from tests.support.scripted import HOST, Answer, Script, answer

pytestmark = [
    pytest.mark.anyio,
    # httpx's client leaves its own generators to trio's garbage collector; our transport does not.
    pytest.mark.filterwarnings("ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

MIB = 1024 * 1024
CONTENT = bytes(range(256)) * 800
BLOB = Descriptor("application/octet-stream", Digest.of(CONTENT), len(CONTENT))
PATH = f"/v2/a/b/blobs/{BLOB.digest}"


class Stream(httpx.AsyncByteStream):
    """Pieces of a body; ``broken`` fails after them, ``stuck`` never ends."""

    def __init__(self, content: bytes, *, piece: int = 10_000, broken: bool = False, stuck: bool = False) -> None:
        self.content, self.piece, self.broken, self.stuck = content, piece, broken, stuck

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), self.piece):
            await anyio.lowlevel.checkpoint()
            yield self.content[start : start + self.piece]
        if self.broken:
            raise httpx.ReadError("")
        if self.stuck:
            await anyio.sleep(60)


def streamed(content: bytes = CONTENT, status: int = 200, start: int = 0, **options: object) -> Answer:
    def respond(request: httpx.Request) -> httpx.Response:
        headers = {"Content-Length": str(len(CONTENT) - start)}
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        return httpx.Response(status, headers=headers, stream=Stream(content, **options))  # type: ignore[arg-type]

    return respond


async def read(script: Script, descriptor: Descriptor = BLOB, retry: Retry | None = None) -> bytes:
    access = access_for(script.home, trust=Trust(), retry=retry)
    async with script.repository(access) as repository:
        endpoints = Endpoints(repository.reference, [repository], script.events.append)
        return await Blob(descriptor, partial(BlobDownload, descriptor, endpoints)).read(MIB)


async def test_a_blob(script: Script) -> None:
    script.on(PATH, streamed())
    assert await read(script) == CONTENT
    (request,) = script.requests
    assert "range" not in request.headers


async def test_a_blob_in_pieces(script: Script) -> None:
    script.on(
        PATH,
        streamed(CONTENT[:100_000], broken=True),
        streamed(CONTENT[100_000:150_000], 206, 100_000, broken=True),
        streamed(CONTENT[150_000:], 206, 150_000),
    )
    assert await read(script) == CONTENT
    assert [request.headers.get("range") for request in script.requests] == [None, "bytes=100000-", "bytes=150000-"]


async def test_a_blob_whose_server_forgot_about_ranges(script: Script) -> None:
    script.on(PATH, streamed(CONTENT[:100_000], broken=True), streamed())
    assert await read(script) == CONTENT


async def test_a_blob_that_never_comes(script: Script) -> None:
    script.on(PATH, streamed(b"", broken=True))
    with pytest.raises(ConnectionFailed, match="connection lost: ReadError"):
        await read(script)
    assert len(script.requests) == 5


async def test_failed_requests_and_broken_bodies_are_retried(script: Script) -> None:
    """Each says what failed; a request that fails uses up none of the retries for bodies."""
    answers = (
        answer(503), streamed(CONTENT[:10], broken=True), answer(502), answer(503), streamed(b"", 206, 10, broken=True),
        streamed(CONTENT[10:], 206, 10),
    )  # fmt: skip
    script.on(PATH, *answers)
    assert await read(script, retry=Retry(times=2, delay=0.001)) == CONTENT
    request, body = f"reading blob {BLOB.digest} in {HOST}/a/b", f"blob {BLOB.digest.short} at byte 10"
    assert [event.what for event in script.retries] == [request, body, request, request, body]


async def test_a_blob_that_is_another(script: Script) -> None:
    script.on(PATH, streamed(bytes(len(CONTENT))))
    with pytest.raises(ContentMismatch, match="digest mismatch"):
        await read(script)


def encoded(encoding: str, content: bytes = CONTENT, *, length: bool = True) -> Answer:
    headers = {"Content-Encoding": encoding} | ({"Content-Length": str(len(content))} if length else {})
    return lambda request: httpx.Response(200, headers=headers, stream=Stream(content))


@pytest.mark.parametrize("length", [True, False], ids=["length", "no-length"])
@pytest.mark.parametrize("encoding", ["aws-chunked", "aws-chunked,gzip", "identity", "binary", "utf-8", "gzip", "GZIP, br", ""])
async def test_an_encoding_of_bytes_that_are_the_blob_as_it_is(encoding: str, length: bool, script: Script) -> None:
    script.on(PATH, encoded(encoding, length=length))
    assert await read(script) == CONTENT
    assert script.warnings == []


@pytest.mark.parametrize("length", [True, False], ids=["length", "no-length"])
async def test_a_blob_that_is_encoded_is_refused(length: bool, script: Script) -> None:
    """Nothing is decoded: no encoding was asked for."""
    script.on(PATH, encoded("gzip", gzip.compress(CONTENT), length=length))
    with pytest.raises(ContentMismatch, match=r"\(Content-Encoding gzip\)"):
        await read(script)


async def test_the_rest_of_a_blob_with_an_encoding(script: Script) -> None:
    def rest(request: httpx.Request) -> httpx.Response:
        found = streamed(CONTENT[100_000:], 206, 100_000)(request)
        found.headers["Content-Encoding"] = "aws-chunked"
        return found

    script.on(PATH, streamed(CONTENT[:100_000], broken=True), rest)
    assert await read(script) == CONTENT


async def test_a_blob_is_given_up(script: Script) -> None:
    script.on(PATH, streamed(CONTENT[:100_000], stuck=True))
    with anyio.move_on_after(0.3) as scope:
        await read(script)
    assert scope.cancelled_caught
    assert anyio.current_time() - scope.deadline < 10


@pytest.mark.parametrize(
    ("answered", "found"),
    [
        (streamed(CONTENT[-4:], 206, len(CONTENT) - 4), CONTENT[-4:]),
        (streamed(), b""),
        (streamed(CONTENT[-5:], 206, len(CONTENT) - 5), b""),
        (answer(206, CONTENT[-4:]), b""),
        (answer(206, b"", content_range="bytes 0-3/4"), b""),
        (answer(404), b""),
        (answer(416), b""),
    ],
    ids=["the end", "all of it", "more than that", "no range", "another range", "nothing", "no ranges"],
)
async def test_the_end_of_a_blob(answered: Answer, found: bytes, script: Script) -> None:
    script.on(PATH, answered)
    async with script.repository() as repository:
        assert await repository.blob_ending(BLOB, 4) == found
    (request,) = script.requests
    assert request.headers["range"] == f"bytes={len(CONTENT) - 4}-"


async def test_the_end_of_a_blob_that_never_ends(script: Script) -> None:
    script.on(PATH, streamed(CONTENT, 206, len(CONTENT) - 4))
    async with script.repository() as repository:
        assert await repository.blob_ending(BLOB, 4) == CONTENT[:4]  # it is for estimates, and never verified


async def test_an_algorithm_nobody_knows(script: Script) -> None:
    descriptor = replace(BLOB, digest=Digest.parse("blake3:" + "a" * 64))
    with pytest.raises(Unsupported, match="blake3"):
        await read(script, descriptor)
    assert script.requests == []


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
async def test_other_algorithms(algorithm: str, script: Script) -> None:
    digest = Digest(algorithm, hashlib.new(algorithm, CONTENT).hexdigest())
    script.on(f"/v2/a/b/blobs/{digest}", streamed())
    assert await read(script, replace(BLOB, digest=digest)) == CONTENT


# --- layers that are elsewhere ---


def foreign(*urls: str) -> Descriptor:
    return replace(BLOB, urls=urls)


async def test_a_foreign_layer(script: Script) -> None:
    script.on(PATH, answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}'))
    script.on("https://mirror.example.net/x", answer(404))
    script.on("https://vendor.example.net/x", answer(302, location="https://cdn.example.net/y"))
    script.on("https://cdn.example.net/y", streamed())
    urls = ("http://vendor.example.net/x", "ftp://x/y", "https://mirror.example.net/x", "https://vendor.example.net/x")
    assert await read(script, foreign(*urls)) == CONTENT
    assert {request.url.scheme for request in script.requests} == {"https"}


async def test_the_registry_comes_first(script: Script) -> None:
    script.on(PATH, streamed())
    assert await read(script, foreign("https://vendor.example.net/x")) == CONTENT
    assert [request.url.host for request in script.requests] == [HOST]


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_only_what_is_missing_is_looked_for_elsewhere(status: int, script: Script) -> None:
    script.on(PATH, answer(status))
    with pytest.raises(NetworkError):
        await read(script, foreign("https://vendor.example.net/x"))
    assert {request.url.host for request in script.requests} == {HOST}


@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.example.net/x",
        "ftp://vendor.example.net/x",
        "https://user:hunter2@vendor.example.net/x",
        "https://[::1",
        "",
        "/x",
    ],
)
async def test_foreign_urls_that_are_refused(url: str, script: Script) -> None:
    script.on(PATH, answer(404))
    with pytest.raises(UnsafeAddress) as caught:
        await read(script, foreign(url))
    assert "hunter2" not in str(caught.value)
    assert len(script.requests) == 1


async def test_a_foreign_layer_that_is_nowhere(script: Script) -> None:
    script.on(PATH, answer(404))
    with pytest.raises(RegistryError, match=f"blob {BLOB.digest}.*it is neither there nor at any URL of its descriptor"):
        await read(script, foreign(*(f"https://vendor.example.net/{number}" for number in range(1000))))
    assert len(script.requests) == 1 + 10


async def test_a_foreign_server_that_is_down_for_a_moment(script: Script) -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    script.on(PATH, answer(404))
    script.on("https://vendor.example.net/x", down, streamed())
    urls = ("https://vendor.example.net/x", "http://not.secure.example.net/x")
    assert await read(script, foreign(*urls)) == CONTENT
    (retrying,) = script.retries
    assert retrying.what == f"reading blob {BLOB.digest} in {HOST}/a/b"


async def test_a_foreign_layer_is_verified(script: Script) -> None:
    script.on(PATH, answer(404))
    script.on("https://vendor.example.net/x", streamed(bytes(len(CONTENT))))
    with pytest.raises(ContentMismatch):
        await read(script, foreign("https://vendor.example.net/x"))


async def test_a_foreign_server_that_wants_to_know_us(script: Script) -> None:
    """CVE-2020-15157."""
    script.on(PATH, answer(404))
    script.on(
        "https://vendor.example.net/x",
        answer(401, www_authenticate='Bearer realm="https://vendor.example.net/token", Basic realm="x"'),
    )
    with pytest.raises(RegistryError):
        await read(script, foreign("https://vendor.example.net/x"))
    assert script.secrets_at("vendor.example.net") == []
    assert script.asked("https://vendor.example.net/token") == []
