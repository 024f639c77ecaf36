"""Digests in headers, however they are written, and questions that need no answer."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import ConnectionFailed, ContentMismatch, InvalidContent, InvalidDigest, NotFound, RegistryError
from pyskopeo.http.headers import Headers
from pyskopeo.http.messages import Response
from pyskopeo.http.retry import Retry
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.registry.response_checks import ask, check_stated_digest, stated_digest
from pyskopeo.registry.sessions import open_session
from tests.support.access import access_for
from tests.support.images import digest_of

CONTENT = b"some content"
SHA256, SHA512 = (digest_of(CONTENT, algorithm) for algorithm in ("sha256", "sha512"))
BARE = SHA256.removeprefix("sha256:")


def stating(*headers: str) -> Response:
    return Response(200, Headers.of([("Docker-Content-Digest", header) for header in headers]))


@pytest.mark.parametrize(
    "headers",
    [
        (SHA256,), (BARE,), (BARE.upper(),), (SHA256.upper(),), (f'"{SHA256}"',), (f"'{BARE}'",), (f"\t{SHA256} ",),
        (SHA256, SHA256), (SHA256, BARE), (f"{SHA256},{SHA256}",), ("", SHA256), (f'"{BARE}",',),
    ],
)  # fmt: skip
def test_one_digest(headers: tuple[str, ...]) -> None:
    assert stated_digest(stating(*headers)) == Digest.parse(SHA256)
    check_stated_digest(stating(*headers), CONTENT, "reading x")


@pytest.mark.parametrize("headers", [(), ("",), (" ",), ('""',), (",",), ("", "")])
def test_no_digest(headers: tuple[str, ...]) -> None:
    assert stated_digest(stating(*headers)) is None
    check_stated_digest(stating(*headers), CONTENT, "reading x")


@pytest.mark.parametrize(
    "headers", [("nonsense",), ("sha256:",), (BARE[:-1],), (f"md5-{BARE}",), (SHA256, "sha256:" + "0" * 64), (SHA256, SHA512)]
)
def test_what_is_no_digest(headers: tuple[str, ...]) -> None:
    with pytest.raises(InvalidDigest):
        stated_digest(stating(*headers))
    with pytest.raises(InvalidDigest, match="^reading x: Docker-Content-Digest: "):
        check_stated_digest(stating(*headers), CONTENT, "reading x")


@pytest.mark.parametrize("header", ["0" * 64, "0" * 128, "SHA256:" + "0" * 64, f'"sha512:{"0" * 128}"'])
def test_another_digest_however_it_is_written(header: str) -> None:
    with pytest.raises(ContentMismatch, match="^reading x: Docker-Content-Digest says sha(256|512):0+, the bytes are "):
        check_stated_digest(stating(header), CONTENT, "reading x")


def test_an_algorithm_that_cannot_be_checked() -> None:
    check_stated_digest(stating("blake3:" + "0" * 64), CONTENT, "reading x")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_any_header_is_a_digest_or_an_error(header: str) -> None:
    with suppress(InvalidDigest):
        found = stated_digest(stating(header))
        assert found is None or found.hex.lower() in header.lower()


# --- questions ---


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        *((RegistryError("x", status=status), 1) for status in (204, 301, 400, 401, 403, 404, 405, 500, 501)),
        *((RegistryError("x", status=status), 3) for status in (408, 425, 429, 502, 503, 504)),
        (NotFound("x"), 1),
    ],
)
async def test_an_error_response_is_no_answer(error: RegistryError | NotFound, attempts: int, tmp_path: Path) -> None:
    asked: list[str] = []

    async def once() -> bool:
        asked.append("")
        raise error

    access = access_for(tmp_path, retry=Retry(times=2, delay=0.001))
    async with open_session(Reference.parse("registry.example.com/a/b"), access) as session:
        assert await ask(session, once, "asking") is None
    assert len(asked) == attempts


@pytest.mark.anyio
@pytest.mark.parametrize("error", [ConnectionFailed("down"), InvalidContent("circle")])
async def test_no_response_at_all_is_an_error(error: ConnectionFailed | InvalidContent, tmp_path: Path) -> None:
    async def once() -> bool:
        raise error

    access = access_for(tmp_path, retry=Retry(times=1, delay=0.001))
    async with open_session(Reference.parse("registry.example.com/a/b"), access) as session:
        with pytest.raises(type(error)):
            await ask(session, once, "asking")
