"""Chunked bodies: their framing, piece by piece, and its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.http.chunked_coding import ChunkedDecoder
from pyskopeo.http.response_head import InvalidResponse


def decode(*pieces: bytes, length: int | None = None) -> tuple[bytes, bytes]:
    """The content, and what follows the body."""
    decoder, received, content = ChunkedDecoder(length), bytearray(), bytearray()
    for piece in pieces:
        received += piece
        while decoder.advance(received) and not decoder.ended and received:
            count = min(decoder.left, len(received))
            content += received[:count]
            del received[:count]
            decoder.consume(count)
    assert decoder.ended
    return bytes(content), bytes(received)


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"005\r\nhello\r\n0000\r\n\r\n", b"hello"),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
        (b"5;a=b\r\nhello\r\n0;c\r\n\r\n", b"hello"),
        (b'5 ; a="b c"\t\r\nhello\r\n0 \r\n\r\n', b"hello"),
        (b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n0\r\nA: b\nC: d\n\n", b"hello"),
    ],
)
def test_bodies(data: bytes, content: bytes) -> None:
    assert decode(data + b"more") == (content, b"more")
    assert decode(*(data[at : at + 1] for at in range(len(data)))) == (content, b"")


@given(st.lists(st.binary(min_size=1, max_size=30)), st.integers(1, 40))
def test_any_chunks_in_any_pieces(chunks: list[bytes], size: int) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert decode(*(data[at : at + size] for at in range(0, len(data), size))) == (b"".join(chunks), b"")


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+5\r\n",
        b"0x5\r\n",
        b"5_0\r\n",
        b" 5\r\n",
        b"5 5\r\n",
        b"\xb2\r\n",
        b"12345678901234567\r\n",
        b"5;a\0b\r\n",
        b"5;a\rb\r\n",
        b"5\rx\n",
    ],
)
def test_sizes_that_are_none(data: bytes) -> None:
    """What Python's int() takes is more than a size is made of."""
    with pytest.raises(InvalidResponse, match="the chunk size '"):
        decode(data)


@pytest.mark.parametrize("data", [b"5\nhello\r\n0\r\n\r\n", b"5;a\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\n\r\n"])
def test_a_lone_line_feed_does_not_end_a_size(data: bytes) -> None:
    """CVE-2025-22871: programs that differ in it see different bodies."""
    with pytest.raises(InvalidResponse, match="the chunk size '"):
        decode(data)


@pytest.mark.parametrize("end", [b"xx", b"\n\n", b"\r0", b"0\r", b"\n5"])
def test_a_chunk_ends_with_its_line_end_and_nothing_else(end: bytes) -> None:
    """CVE-2025-43859: h11 skipped any two bytes there."""
    with pytest.raises(InvalidResponse, match="at the end of a chunk"):
        decode(b"5\r\nhello" + end + b"0\r\n\r\n")


@pytest.mark.parametrize("size", range(len(b"5\r\nhello\r\n0\r")))
def test_a_body_that_is_cut_off_is_not_complete(size: int) -> None:
    """CVE-2025-43859."""
    data = b"5\r\nhello\r\n0\r"[:size]
    with pytest.raises(AssertionError):
        decode(data)
    decoder, received = ChunkedDecoder(), bytearray(data)
    while decoder.advance(received) and received:
        count = min(decoder.left, len(received))
        del received[:count]
        decoder.consume(count)
    assert not decoder.close()


@pytest.mark.parametrize("trailers", [b"", b"\r", b"A: b\r\n", b"A: "])
def test_all_is_there_after_the_last_chunk(trailers: bytes) -> None:
    decoder = ChunkedDecoder()
    assert not decoder.advance(bytearray(b"0\r\n" + trailers))
    assert decoder.close()


@pytest.mark.parametrize("length", [0, 4, 6, 100])
def test_a_content_length_that_differs_is_refused(length: int) -> None:
    data = b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    assert decode(data, length=5) == (b"hello", b"")
    with pytest.raises(InvalidResponse, match=f"chunks of other than {length} bytes, its Content-Length"):
        decode(data, length=length)


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"", b"1"),
        (b"5;", b"a"),
        (b"", b"1\r\nx\r\n"),
        (b"", b"1;" + b"a" * 1000 + b"\r\nx\r\n"),
        (b"", b"40;" + b"a" * 1000 + b"\r\n" + b"x" * 64 + b"\r\n"),
        (b"0\r\n", b"A: b\r\n"),
        (b"0\r\n", b"a"),
    ],
    ids=["size", "extension", "tiny chunks", "long extensions", "longer than chunks", "trailers", "trailer"],
)
def test_framing_without_end_is_refused(start: bytes, endless: bytes) -> None:
    """CVE-2023-39326: with long extensions a body takes many more bytes on the wire than it has."""
    with pytest.raises(InvalidResponse) as caught:
        decode(start, *[endless] * (1_000_000 // len(endless)))
    assert caught.value.final or b"1" * 17 in start + endless * 17


def test_small_chunks_are_no_attack() -> None:
    assert len(decode(b"4\r\nabcd\r\n" * 100_000 + b"0\r\n\r\n")[0]) == 400_000
    assert len(decode(b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n")[0]) == 10_000
