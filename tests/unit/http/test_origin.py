"""Where we let a registry send us, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import UnsafeAddress
from pyskopeo.http.origin import Origin, redact_url, resolve_redirect, resolve_url, with_https


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", ("https", "example.com", 443)),
        ("https://example.com/a?b#c", ("https", "example.com", 443)),
        ("HTTPS://EXAMPLE.com:443/", ("https", "example.com", 443)),
        ("http://example.com", ("http", "example.com", 80)),
        ("https://example.com:80", ("https", "example.com", 80)),
        ("http://127.0.0.1:5000/v2/", ("http", "127.0.0.1", 5000)),
        ("http://[::1]:5000", ("http", "::1", 5000)),
        ("https://example.com:/", ("https", "example.com", 443)),
    ],
)
def test_origins(url: str, expected: tuple[str, str, int]) -> None:
    origin = Origin.of(url)
    assert (origin.scheme, origin.host, origin.port) == expected
    assert Origin.of(str(origin)) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "/path",
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://example.com:99999",
        "https://example.com:x",
        "https://[::1",
        "https://user@example.com",
        "https://user:hunter2@example.com",
        "https://:@example.com",
        r"https://example.com\@evil.example",
        "https://example.com:hunter2@evil.example/?a=b",
        "ftp://user:hunter2@example.com/?signature=hunter2",
    ],
)
def test_no_origins(url: str) -> None:
    with pytest.raises(UnsafeAddress) as caught:
        Origin.of(url)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_origins_differ_in_scheme_host_and_port() -> None:
    urls = ["https://a", "http://a", "https://b", "https://a:444", "https://a.", "https://x.a"]
    assert len({Origin.of(url) for url in urls}) == len(urls)
    assert Origin.of("https://a:443") == Origin.of("https://A/")


@pytest.mark.parametrize(
    ("current", "location", "expected"),
    [
        ("https://a/v2/x/blobs/d", "https://b/c?d=e%2Ff&g", "https://b/c?d=e%2Ff&g"),
        ("https://a/v2/x/blobs/d", "/c", "https://a/c"),
        ("https://a/v2/x/blobs/d", "c", "https://a/v2/x/blobs/c"),
        ("https://a/v2/x/blobs/d", "?e", "https://a/v2/x/blobs/d?e"),
        ("https://a/v2", "//b/c", "https://b/c"),
        ("http://a/v2", "//b/c", "http://b/c"),
        ("http://a/v2", "https://b/c", "https://b/c"),
        ("http://a/v2", "http://b/c", "http://b/c"),
        ("https://a/v2", "https://a/c#fragment", "https://a/c"),
        ("https://a/v2", "../../../etc", "https://a/etc"),
        ("https://a/v2", "http://a/c", "https://a/c"),
        ("https://a/v2", "HTTP://A:80/c", "https://a/c"),
        ("https://a:5000/v2", "http://a:5000/c", "https://a:5000/c"),
    ],
)
def test_follow(current: str, location: str, expected: str) -> None:
    assert resolve_redirect(current, location) == expected


@pytest.mark.parametrize(
    "location",
    [
        "http://b/c",
        "HTTP://b/c",
        "http://a./c",
        "http://x.a/c",
        "ftp://a/c",
        "file:///etc/passwd",
        "https://user:hunter2@a/c",
        "https://a b/?s=hunter2",
        "https://a/\x00",
        "https://a/\x7f",
        "https://[::1",
        "data:,x",
        "https://a:1:2/",
    ],
)
def test_follow_refuses(location: str) -> None:
    with pytest.raises(UnsafeAddress) as caught:
        resolve_redirect("https://a/v2", location)
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_follow_fails_in_one_way(location: str) -> None:
    try:
        target = resolve_redirect("https://a/v2", location)
    except UnsafeAddress:
        return
    assert Origin.of(target).scheme == "https"
    assert not any(character <= " " for character in target)


@pytest.mark.parametrize(
    ("url", "origin", "expected"),
    [
        ("http://a/t?x=1", "https://a", "https://a/t?x=1"),
        ("http://a:80/t", "https://a:5000", "https://a/t"),
        ("http://a:443/t", "https://a", "https://a/t"),
        ("http://a:5000/t", "https://a:5000", "https://a:5000/t"),
        ("http://a:5001/t", "https://a:5000", "https://a:5001/t"),
        ("http://[::1]:5000/t", "https://[::1]:5000", "https://[::1]:5000/t"),
        ("http://b/t", "https://a", "http://b/t"),
        ("http://a.b/t", "https://a", "http://a.b/t"),
        ("http://a/t", "http://a", "http://a/t"),
        ("https://a:1/t", "https://a", "https://a:1/t"),
    ],
)
def test_https_on_the_same_host(url: str, origin: str, expected: str) -> None:
    assert with_https(url, Origin.of(origin)) == expected


def test_blanks_in_path_and_query_are_encoded() -> None:
    base = "https://example.org/a/b"
    assert resolve_url(base, "c d?q=e f") == "https://example.org/a/c%20d?q=e%20f"
    assert resolve_url(base, "https://cdn.example.org/c d?q=e f") == "https://cdn.example.org/c%20d?q=e%20f"
    assert resolve_redirect(base, "/c d?q=e%20f g#h i") == "https://example.org/c%20d?q=e%20f%20g"


@pytest.mark.parametrize(
    ("reference", "wrong"), [("http://a b/", "' '"), ("/x?q=\x7f", r"'\\x7f'"), ("/\xa0", r"'\\xa0'")]
)
def test_an_error_says_what_no_url_contains(reference: str, wrong: str) -> None:
    with pytest.raises(UnsafeAddress, match=f"leads to something that is not a URL, it contains {wrong}: "):
        resolve_url("https://example.org/a", reference)


ODD = ["http://\x9b31m.example/x", "http://exa\u202emple.org/", "http://a\u200bb.org/", "http://a\ud800b.org/"]


@pytest.mark.parametrize("url", ODD)
def test_a_host_that_cannot_be_printed_is_none(url: str) -> None:
    with pytest.raises(UnsafeAddress) as caught:
        Origin.of(url)
    assert str(caught.value).isprintable()
    with pytest.raises(UnsafeAddress):
        resolve_url("http://example.org/", url)
    with pytest.raises(UnsafeAddress):
        resolve_url("http://example.org/", "/path/" + url[7:])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://r.example/v2/a/manifests/b", "https://r.example/v2/a/manifests/b"),
        ("https://user:s3cr3t@r.example/v2/", "https://r.example/v2/"),
        ("https://s.example/b?X-Amz-Signature=s3cr3t&X-Amz-Date=1", "https://s.example/b?X-Amz-Signature=***&X-Amz-Date=***"),
        ("https://s.example/b?s3cr3t", "https://s.example/b?***"),
        ("https://s.example/b?=s3cr3t#s3cr3t", "https://s.example/b?=***"),
        ("https://t.example/t?service=r&scope=repository:a:pull&account=u", "https://t.example/t?service=r&scope=repository:a:pull&account=***"),
        ("https://r.example/v2/a/blobs/uploads/?mount=sha256:1&from=b", "https://r.example/v2/a/blobs/uploads/?mount=sha256:1&from=b"),
        ("https://[s3cr3t@x?s3cr3t", "'https://...@x'"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_url(url: str, expected: str) -> None:
    assert redact_url(url) == expected
    assert "s3cr3t" not in redact_url(url)
