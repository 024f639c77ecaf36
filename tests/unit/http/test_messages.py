"""Headers of responses, as httpx has them; bodies that came with the head of their response."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.http.headers import Headers
from pyskopeo.http.messages import HeldBody, Request, Response, Route
from pyskopeo.http.origin import Origin
from pyskopeo.http.time_limits import DocumentDeadline

_NAMES = st.sampled_from([b"Link", b"link", b"ETag", b"X-Y"])
_VALUES = st.one_of(st.binary(max_size=5), st.text(max_size=5).map(str.encode), st.just(b"plain"))


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=6))
def test_headers_are_those_of_httpx(fields: list[tuple[bytes, bytes]]) -> None:
    ours, theirs = Headers(fields), httpx.Headers(fields)
    assert list(ours.items()) == list(theirs.items())
    assert len(ours) == len(list(ours))
    for name in ("Link", "LINK", "etag", "missing"):
        assert ours.get(name) == theirs.get(name)
        assert ours.get(name, "default") == theirs.get(name, "default")
        assert ours.get_list(name) == theirs.get_list(name)
        assert (name in ours) == (name in theirs)


def test_a_header_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        Headers()["link"]
    assert "Links" not in Headers.of({"Link": "a"})


def test_headers_as_text() -> None:
    assert Headers.of([("A", "1"), ("a", "é")]).get_list("a") == ["1", "é"]


def test_a_request_has_a_url() -> None:
    assert Request("GET", Route(Origin.of("https://a.example:443")), "/v2/?n=1", ()).url == "https://a.example/v2/?n=1"


@pytest.mark.anyio
async def test_a_body_that_is_there() -> None:
    response = Response(200, body=HeldBody(b"abc"))
    buffer = memoryview(bytearray(2))
    reader = response.reader
    assert [reader.readinto(buffer), reader.readinto(buffer), reader.readinto(buffer)] == [2, 1, 0]
    assert await response.body.read(1, DocumentDeadline(1, 1)) == (b"abc", True)
    await response.aclose()
