"""URLs that are requested are normalized, and refused, as httpx does it."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyskopeo.errors import InvalidContent, UnsafeAddress
from pyskopeo.http.origin import Origin
from pyskopeo.http.request_body import RequestBody
from pyskopeo.http.request_url import parse_request_url, request_to

HOSTS = [
    "registry.example", "REGISTRY.Example:5000", "a_b.example", "a-b.example.", "localhost:80", "127.0.0.1:443", "[::1]:5000",
    "[::ffff:1.2.3.4]", "[FE80::1]", "1.2.3.4.5", "1.2.3", "0x7f.1", "256.1.1.1", "01.2.3.4", "1.2.3.4:", "[::g]", "[1]",
    "bücher.example", "xn--bcher-kva.example", "☃.example", "ab--c.example", "-é.example", "a%20b", "a b", "a..b", "a~b", "a*b",
    "host:0", "host:065", "host:99999", "host:x", "host:80:90", "", ":80", "a@b", "a,b", "é", "İ.example", "a\u200db.example",
]  # fmt: skip
PATHS = [
    "", "/", "/v2/", "/v2/a/b/manifests/v1.2", "/v2/a/blobs/sha256:ab", "//", "/a//b", "/%41%zz%", "/a%2Fb", "/a b", "/é", "/\u2028",
    "/.", "/..", "/./a", "/../a", "/a/../../b", "/a/.b", "/a/..b", "/a.", "/a/b/.", "/a/..", "/...", "/%2e%2e/a", '/"<>`{}|\\^[]',
    "/!$&'()*+,;=:@~_-", "/a\x00", "/a\n", "/a\tb", "/\x7f", "/\x80", "/" + "a" * 65_500,
]  # fmt: skip
QUERIES = ["", "?", "?a=b&c=d%20e", "?scope=repository:a/b:pull,push", "?é", '?"<>`{}|\\^[]', "??/../.", "?a b", "?%", "?a\n", "#f", "?a#f", "#é"]


def by_httpx(url: str) -> tuple[Origin, str] | None:
    """What httpx makes of a URL; None if it, or `Origin.of` before it, refuses it."""
    try:
        Origin.of(url)
        request = httpx.Request("GET", url)
        return Origin.of(str(request.url)), request.url.raw_path.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, UnsafeAddress):
        return None


def by_us(url: str) -> tuple[Origin, str] | None:
    try:
        Origin.of(url)
        return parse_request_url(url)
    except (InvalidContent, UnsafeAddress):
        return None


@pytest.mark.parametrize("host", HOSTS)
def test_hosts(host: str) -> None:
    for scheme in ("http", "https", "HTTPS"):
        assert by_us(f"{scheme}://{host}/a") == by_httpx(f"{scheme}://{host}/a")


@pytest.mark.parametrize("path", PATHS)
def test_paths_and_queries(path: str) -> None:
    for query in QUERIES:
        url = f"https://registry.example:5000{path}{query}"
        assert by_us(url) == by_httpx(url)


@given(st.text('abA9.:/?#[]@%é "<`{|~^\\-_', max_size=12))
@example("a/%")
@example("[::1]:/..")
def test_any_url(text: str) -> None:
    for url in (f"http://{text}", f"https://registry.example/{text}"):
        assert by_us(url) == by_httpx(url)


def test_the_host_header_is_that_of_httpx() -> None:
    for host in HOSTS:
        url = f"http://{host}/a"
        if by_httpx(url) is not None:
            sent = dict(request_to("GET", url, "test", {}).headers)["host"]
            assert sent == httpx.Request("GET", url).headers["host"].lower()


@pytest.mark.parametrize(
    ("method", "content", "headers", "length"),
    [
        ("GET", b"", {}, None), ("HEAD", b"", {}, None), ("DELETE", b"", {}, None), ("POST", b"", {}, "0"), ("PUT", b"", {}, "0"),
        ("PATCH", b"", {}, "0"), ("PUT", b"abc", {}, "3"), ("POST", b"", {"Content-Length": "0"}, "0"), ("GET", b"abc", {}, "3"),
    ],
)  # fmt: skip
def test_the_length_of_a_body(method: str, content: bytes, headers: dict[str, str], length: str | None) -> None:
    assert dict(request_to(method, "http://a.example", "test", headers, content).headers).get("content-length") == length
    assert httpx.Request(method, "http://a.example", headers=headers, content=content or None).headers.get("content-length") == length


def test_a_streamed_body_says_itself_how_long_it_is() -> None:
    headers = dict(request_to("PATCH", "http://a.example", "test", {"Transfer-Encoding": "chunked"}, RequestBody()).headers)
    assert headers["transfer-encoding"] == "chunked"
    assert "content-length" not in headers


def test_headers_that_are_given() -> None:
    headers = request_to("GET", "http://a.example", "test", {"X-Y": "1", "Accept": "a", "accept": "b"}).headers
    assert list(headers) == [
        ("host", "a.example"), ("user-agent", "test"), ("accept-encoding", "identity"), ("x-y", "1"), ("accept", "a, b"),
    ]  # fmt: skip
    with pytest.raises(InvalidContent, match=r"^http://a.example: not a header that can be sent: 'x-y'$"):
        request_to("GET", "http://a.example", "test", {"X-Y": "secret é"})


@pytest.mark.parametrize("url", ["https://a.example/\n", "https://256.1.1.1/", "https://a.example/" + "a" * 70_000])
def test_what_cannot_be_requested(url: str) -> None:
    with pytest.raises(InvalidContent, match=r"^https://[a-z0-9.]+: not a URL that can be asked for: "):
        parse_request_url(url)
