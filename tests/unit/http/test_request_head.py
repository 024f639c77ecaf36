"""Heads of requests: nothing in them ends a line before its end."""

from __future__ import annotations

import pytest

from pyskopeo.http.request_head import encode_head


def test_a_head() -> None:
    found = encode_head("GET", "/v2/?a=%20", (("Host", "h:1"), ("X-Y", " \xe9\t")))
    assert found == b"GET /v2/?a=%20 HTTP/1.1\r\nHost: h:1\r\nX-Y:  \xe9\t\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET /", "/", ()),
        ("", "/", ()),
        ("GET", "", ()),
        ("GET", "/ HTTP/1.1\r\nX: y", ()),
        ("GET", "/a b", ()),
        ("GET", "/\xe9", ()),
        ("GET", "/", (("A b", "c"),)),
        ("GET", "/", (("A\n", "c"),)),
        ("GET", "/", (("", "c"),)),
        ("GET", "/", (("A", "secret\r\nX: y"),)),
        ("GET", "/", (("A", "secret\n"),)),
        ("GET", "/", (("A", "secret\0"),)),
        ("GET", "/", (("A", "secret\u20ac"),)),
    ],
)
def test_requests_are_not_split(method: str, target: str, headers: tuple[tuple[str, str], ...]) -> None:
    """CVE-2020-26137 (urllib3) and its like: a line feed in a method, a target or a header."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its message is checked
        encode_head(method, target, headers)
    assert "secret" not in str(caught.value)
