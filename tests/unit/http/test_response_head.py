"""Heads of responses: what is read, as Go's net/http and curl do, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.http.response_head import Framing, InvalidResponse, framing, head_size, parse_head

OK = b"HTTP/1.1 200 OK\r\n"


def head(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK", end: bytes = b"\r\n") -> bytes:
    return end.join((status, *lines, b"", b""))


@pytest.mark.parametrize(
    ("line", "status", "reason", "minor"),
    [
        (b"HTTP/1.1 200 OK", 200, "OK", 1),
        (b"HTTP/1.1 200", 200, "", 1),
        (b"HTTP/1.1 200 ", 200, "", 1),
        (b"HTTP/1.1  404  Not  Found ", 404, "Not  Found", 1),
        (b"HTTP/1.0 500 Internal Server Error", 500, "Internal Server Error", 0),
        (b"HTTP/1.9 299 \xe9t\xe9", 299, "\xe9t\xe9", 9),
        (b"HTTP/1.1 103 Early Hints", 103, "Early Hints", 1),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_status_lines(line: bytes, status: int, reason: str, minor: int, end: bytes) -> None:
    found = parse_head(head(b"A: b", status=line, end=end))
    assert (found.status, found.reason, found.minor, found.fields) == (status, reason, minor, [(b"A", b"b")])


@pytest.mark.parametrize(
    "line",
    [b"", b"HTTP/1.1", b"HTTP/2 200 OK", b"HTTP/1.10 200 OK", b"http/1.1 200 OK", b"ICY 200 OK", b" HTTP/1.1 200 OK"]
    + [b"HTTP/1.1 " + rest for rest in (b"20 OK", b"2000 OK", b"099 x", b"-20 x", b"2OO OK", b"200OK", b"\t200 OK")]
    + [b"HTTP/1.1\t200 OK", b"HTTP/1.1 200 a\x1bb", b"HTTP/1.1 200 a\rb", b"HTTP/1.1 200 a\0b"],
)
def test_lines_that_are_no_status(line: bytes) -> None:
    with pytest.raises(InvalidResponse, match="it begins with '") as caught:
        parse_head(head(b"A: b", status=line))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ((), []),
        ((b"A:b", b"a: c ", b"D:", b"E:\t f:g \t"), [(b"A", b"b"), (b"a", b"c"), (b"D", b""), (b"E", b"f:g")]),
        ((b"A: \xc3\xa9 \xff",), [(b"A", b"\xc3\xa9 \xff")]),
        ((b"A : b", b"A B\t: c"), [(b"A", b"b"), (b"A B", b"c")]),
        ((b"A: b", b" c", b"\td ", b" "), [(b"A", b"b c d")]),
        ((b"A:", b" b"), [(b"A", b"b")]),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_fields(lines: tuple[bytes, ...], fields: list[tuple[bytes, bytes]], end: bytes) -> None:
    assert parse_head(head(*lines, end=end)).fields == fields


@pytest.mark.parametrize(
    "lines",
    [(b"no colon",), (b": no name",), (b" continues nothing",), (b"A\xe9: b",), (b"(A): b",), (b"A\0: b",)]
    + [(b"A: b\0c",), (b"A: b\rc: d",), (b"A: \x1b[31m",), (b"A: b", b" c\x7f"), (b"A: b\r",)]
    + [(b"Content-Length : 5",), (b"Transfer-Encoding\t: chunked",)]
    + [(b"Content-Length:", b" 5"), (b"Transfer-Encoding: chunked", b" ,x"), (b"Transfer-Encoding:", b"\tchunked")],
)
def test_fields_that_are_refused(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidResponse) as caught:
        parse_head(head(*lines))
    assert str(caught.value).isprintable()
    assert not caught.value.final


CHUNKED, TO_THE_END = Framing(True, None, True), Framing(False, None, False)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), TO_THE_END),
        ((b"Content-Length: 5",), Framing(False, 5, True)),
        ((b"content-length: 0",), Framing(False, 0, True)),
        ((b"Content-Length: 5", b"Content-Length: 5"), Framing(False, 5, True)),
        ((b"Content-Length: 5, 5", b"CONTENT-LENGTH:  05 "), Framing(False, 5, True)),
        ((b"Content-Length: 5", b"Connection: close"), Framing(False, 5, False)),
        ((b"Content-Length: 5", b"Connection: x, Close"), Framing(False, 5, False)),
        ((b"Content-Length: 5", b"Connection: closed"), Framing(False, 5, True)),
        ((b"Transfer-Encoding: chunked",), CHUNKED),
        ((b"TRANSFER-ENCODING: Chunked",), CHUNKED),
        ((b"Transfer-Encoding: identity", b"Content-Length: 5"), Framing(False, 5, True)),
        ((b"Transfer-Encoding: identity",), TO_THE_END),
        # Whether they agree is known at the end of the body; nobody else's answer is read from this connection.
        ((b"Transfer-Encoding: chunked", b"Content-Length: 5"), Framing(True, 5, False)),
    ],
)
def test_where_a_body_ends(lines: tuple[bytes, ...], expected: Framing) -> None:
    assert framing(parse_head(head(*lines)), "GET") == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), TO_THE_END),
        ((b"Content-Length: 5",), Framing(False, 5, False)),
        ((b"Content-Length: 5", b"Connection: Keep-Alive"), Framing(False, 5, True)),
        ((b"Transfer-Encoding: chunked", b"Connection: keep-alive"), Framing(True, None, False)),
    ],
)
def test_where_a_body_of_http_1_0_ends(lines: tuple[bytes, ...], expected: Framing) -> None:
    assert framing(parse_head(head(*lines, status=b"HTTP/1.0 200 OK")), "GET") == expected


@pytest.mark.parametrize(("status", "method"), [(200, "HEAD"), (204, "GET"), (304, "GET")])
@pytest.mark.parametrize("line", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"A: b"])
def test_responses_without_a_body(status: int, method: str, line: bytes) -> None:
    found = parse_head(head(line, status=b"HTTP/1.1 %d x" % status))
    assert framing(found, method) == Framing(False, 0, True)


def test_another_protocol_is_not_begun() -> None:
    found = parse_head(head(status=b"HTTP/1.1 101 Switching Protocols"))
    assert not found.interim
    assert framing(found, "GET") == Framing(False, 0, False)


@pytest.mark.parametrize(
    "lines",
    [(b"Content-Length: 5", b"Content-Length: 6"), (b"Content-Length: 5, 6",), (b"Content-Length: 5,",)]
    + [(b"Content-Length: " + it,) for it in (b"", b"-1", b"+5", b"5x", b"0x5", b"5 5", b"1_0", b"5.0", b"9" * 19)]
    + [(b"Transfer-Encoding: " + it,) for it in (b"", b"gzip", b"gzip, chunked", b"chunked, chunked", b"xchunked")]
    + [(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), (b"Transfer-Encoding: chunked;a=b",)]
    + [(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), (b'Transfer-Encoding: "chunked"',)],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bodies_that_end_in_two_places(lines: tuple[bytes, ...], method: str) -> None:
    """Response smuggling: two programs would see two different responses."""
    with pytest.raises(InvalidResponse, match="Content-Length|Transfer-Encoding"):
        framing(parse_head(head(*lines)), method)


def test_values_are_joined() -> None:
    found = parse_head(head(b"Via: a", b"X: y", b"via: b"))
    assert found.header("VIA") == "a, b"
    assert found.header("Z") == ""


@pytest.mark.parametrize("data", [OK + b"A: b\r\n\r\nbody\n\n", OK + b"A: b\n\nbody\r\n\r\n", b"HTTP/1.1 200\n\r\nx"])
def test_a_head_ends_with_the_first_empty_line(data: bytes) -> None:
    size = head_size(data)
    assert data[:size] in (OK + b"A: b\r\n\r\n", OK + b"A: b\n\n", b"HTTP/1.1 200\n\r\n")
    for end in range(size):
        assert head_size(data[:end]) == 0
        assert head_size(data, end) == size


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_are_refused(data: bytes) -> None:
    try:
        found = parse_head(OK + data.replace(b"\n\n", b"") + b"\r\n\r\n")
        framing(found, "GET")
    except InvalidResponse as error:
        assert str(error).isprintable()  # noqa: PT017 - any bytes may as well be a head
