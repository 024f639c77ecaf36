"""What a connection takes for a response: interim ones before it, and what has no end."""

from __future__ import annotations

from typing import cast

import pytest

from pyskopeo.http.connection import Connection
from pyskopeo.http.response_body import ResponseBody
from pyskopeo.http.response_head import InvalidResponse, framing
from pyskopeo.http.time_limits import DocumentDeadline
from tests.support.lines import ScriptedSocket, connection_to

FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROCESSING = b"HTTP/1.1 102\nX: y\n\n"


def read(connection: Connection, method: str = "GET") -> tuple[int, bytes]:
    """The status and the body of the next response."""
    head = connection.read_head(5, 5)
    body, content, buffer = ResponseBody(connection, framing(head, method), 5), bytearray(), memoryview(bytearray(7))
    while count := body.readinto(buffer):
        content += buffer[:count]
    return head.status, bytes(content)


def read_document(connection: Connection, method: str = "GET") -> tuple[int, bytes]:
    """The same, read as a whole."""
    head = connection.read_head(5, 5)
    body = ResponseBody(connection, framing(head, method), 5)
    content, complete = body.read_document(1000, DocumentDeadline(5, 5))
    assert complete
    assert body.ended
    return head.status, content


def in_pieces(data: bytes, size: int) -> Connection:
    return connection_to(*(data[at : at + size] for at in range(0, len(data), size)))


@pytest.mark.parametrize(
    "before",
    [b"", HINTS, CONTINUE, CONTINUE + HINTS, PROCESSING * 3, HINTS * 20, b"\r\n", b"\n", b"\r\n" + CONTINUE],
    ids=["nothing", "103", "100", "100, 103", "102", "many", "an empty line", "lf", "an empty line and 100"],
)
@pytest.mark.parametrize("size", [1, 3, 100_000])
def test_what_may_come_before_a_response(before: bytes, size: int) -> None:
    assert read(in_pieces(before + FINAL, size)) == (200, b"ok")


CHUNKS = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: z\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (FINAL, (200, b"ok")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, (200, b"abcde")),
        (b"HTTP/1.1 200\nTransfer-Encoding: chunked\nContent-Length: 5\n\n" + CHUNKS, (200, b"abcde")),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", (200, b"until the end")),
        (b"HTTP/1.1 404 \r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nno", (404, b"no")),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nother", (101, b"")),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 100_000])
def test_responses(data: bytes, expected: tuple[int, bytes], size: int) -> None:
    assert read(in_pieces(data, size)) == expected
    assert read_document(in_pieces(data, size)) == expected


ENDLESS = {
    "interim answers": (b"", CONTINUE * 500),
    "interim answers of some size": (b"", HINTS[:-2] + b"A: " + b"b" * 60_000 + b"\r\n\r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
    "a header": (b"HTTP/1.1 200 OK\r\nA: ", b"b" * 10_000),
    "a continued header": (b"HTTP/1.1 200 OK\r\nA: b\r\n", b" c\r\n" * 1000),
    "a reason": (b"HTTP/1.1 200 ", b"b" * 10_000),
    "an interim answer": (b"HTTP/1.1 103 Early Hints\r\n", b"A: b\r\n" * 1000),
    "empty lines": (b"", b"\r\n" * 1000),
    "another protocol": (b"", b"SSH-2.0-OpenSSH\r\n"),
}


@pytest.mark.parametrize(("start", "endless"), ENDLESS.values(), ids=ENDLESS)
def test_heads_without_end_are_refused(start: bytes, endless: bytes) -> None:
    """CVE-2023-38039 (curl): headers filled the memory."""
    connection = connection_to(start, endless, endless=True)
    with pytest.raises(InvalidResponse) as caught:
        read(connection)
    assert cast("ScriptedSocket", connection.sock).received < 400_000
    assert caught.value.final == str(caught.value).startswith(("headers of more than 256 KiB", "more than 50 interim"))


BODIES = {
    "trailers": (b"0\r\n", b"A: b\r\n" * 1000),
    "a trailer": (b"0\r\nA: ", b"b" * 10_000),
    "an extension": (b"5;a=", b"b" * 10_000),
    "extensions": (b"", (b"1;" + b"b" * 1000 + b"\r\nx\r\n") * 10),
}


@pytest.mark.parametrize(("start", "endless"), BODIES.values(), ids=BODIES)
def test_framing_without_end_is_refused(start: bytes, endless: bytes) -> None:
    begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection = connection_to(begin, start, endless, endless=True)
    with pytest.raises(InvalidResponse) as caught:
        read(connection)
    assert caught.value.final
    assert cast("ScriptedSocket", connection.sock).received < 400_000


@pytest.mark.parametrize("data", [b"", CONTINUE, b"HTTP", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n"])
def test_a_head_that_is_cut_off(data: bytes) -> None:
    with pytest.raises(ConnectionError, match="the connection was closed (within its head|before an answer came)"):
        read(connection_to(data))


@pytest.mark.parametrize(
    ("length", "sent"), [(b"Content-Length: 3", b"ab"), (b"Transfer-Encoding: chunked", b"5\r\nabc")]
)
def test_a_body_that_is_cut_off(length: bytes, sent: bytes) -> None:
    with pytest.raises(ConnectionError, match="closed with|closed within a chunk"):
        read(connection_to(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n" + sent))


def test_responses_of_one_connection_do_not_add_up() -> None:
    connection = in_pieces((HINTS * 30 + FINAL) * 5, 1000)
    for _ in range(5):
        assert read(connection) == (200, b"ok")


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (FINAL, True),
        (FINAL + b"HTTP/1.1 200 OK\r\n\r\n", False),
        (b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nextra", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS[:-2], False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + CHUNKS, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", False),
    ],
)
def test_which_connections_are_used_again(data: bytes, reusable: bool) -> None:
    """Only where it is beyond doubt which bytes belong to the next response."""
    connection = connection_to(data)
    head = connection.read_head(5, 5)
    body, buffer = ResponseBody(connection, framing(head, "GET"), 5), memoryview(bytearray(100))
    while body.readinto(buffer):
        assert not body.reusable or body.ended
    assert body.reusable is reusable


@pytest.mark.parametrize(
    ("received", "digit"),
    [(b"", ""), (b"HTTP/1.1 ", ""), (b"HTTP/1.1 4", "4"), (FINAL, "2"), (HINTS, ""), (HINTS + FINAL[:11], "2")],
)
def test_the_status_so_far(received: bytes, digit: str) -> None:
    connection = connection_to(FINAL)
    connection.received += received
    assert connection.first_digit() == digit
