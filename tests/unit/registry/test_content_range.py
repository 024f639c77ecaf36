"""Which bytes of a blob a response is taken to carry."""

from __future__ import annotations

import pytest

from pyskopeo.errors import ContentMismatch, InvalidContent
from pyskopeo.http.headers import Headers
from pyskopeo.http.messages import Response
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.registry.content_range import Part, blob_part, check_part, starts_at, strong_etag

SIZE = 100
BLOB = Descriptor("", Digest.of(bytes(SIZE)), SIZE)


def response(status: int, range: str = "", length: int | None = None, **headers: str) -> Response:
    given = {"content-range": range} if range else {}
    if length is not None:
        given["content-length"] = str(length)
    given |= {key.replace("_", "-"): text for key, text in headers.items()}
    is_framed = {"content-length", "transfer-encoding"} & given.keys()
    return Response(status, Headers.of(given), ends_with_connection=not is_framed)


@pytest.mark.parametrize(
    ("answer", "offset", "part"),
    [
        (response(200, length=SIZE), 0, Part(0, SIZE)),
        (response(200, length=SIZE), 40, Part(0, SIZE)),
        (response(200, transfer_encoding="chunked"), 0, Part(0, SIZE)),
        (response(200), 0, Part(0, None)),
        (response(206, "bytes 40-99/100"), 40, Part(40, 100)),
        (response(206, "bytes 40-99/*", 60), 40, Part(40, 100)),
        (response(206, "bytes 40-49/100", 10), 40, Part(40, 50)),
        (response(200, length=SIZE, content_encoding="identity"), 0, Part(0, SIZE)),
    ],
)
def test_the_bytes_that_were_asked_for(answer: Response, offset: int, part: Part) -> None:
    assert blob_part(answer, BLOB, offset) == part


@pytest.mark.parametrize(
    "answer",
    [
        response(206),
        response(206, "bytes 0-99/100"),
        response(206, "bytes 41-99/100"),
        response(206, "bytes 40-99/101"),
        response(206, "bytes 40-100/*"),
        response(206, "bytes 40-39/100"),
        response(206, "bytes 40-99/100", 59),
        response(206, "bytes */100"),
        response(206, "40-99/100"),
        response(206, "bytes 40-99/100, bytes 1-2/100"),
        response(206, "bytes 40-" + "9" * 20 + "/100"),
    ],
)
def test_a_range_of_other_bytes(answer: Response) -> None:
    assert not starts_at(answer, 40, SIZE)
    with pytest.raises(InvalidContent, match=f"{BLOB.digest}: asked for bytes 40-, got Content-Range '"):
        blob_part(answer, BLOB, 40)


def test_another_size_is_no_blob_of_this_digest() -> None:
    with pytest.raises(ContentMismatch, match="the registry has 99 bytes, the manifest says 100"):
        blob_part(response(200, length=99), BLOB, 0)


@pytest.mark.parametrize("encoding", ["aws-chunked", "GZIP", "binary", "utf-8", ""])
@pytest.mark.parametrize("status", [200, 206])
def test_an_encoding_does_not_matter(status: int, encoding: str) -> None:
    """What is the blob as it is, its digest decides."""
    assert blob_part(response(status, "bytes 0-99/100", SIZE, content_encoding=encoding), BLOB, 0) == Part(0, 100)


def test_an_encoding_is_named_with_another_size() -> None:
    with pytest.raises(ContentMismatch, match=r"has 60 bytes \(Content-Encoding gzip\), the manifest says 100"):
        blob_part(response(200, length=60, content_encoding="gzip"), BLOB, 0)


@pytest.mark.parametrize(
    "answer",
    [
        response(206, "bytes 40-49/100", 10),
        response(206, "bytes 40-49/*"),
        response(206, "bytes 40-49/100", etag='"1"'),
        response(206, "bytes 40-49/100", etag='W/"2"'),  # of another form of the same content, perhaps
        response(206, "bytes 40-49/100", content_encoding="aws-chunked"),
    ],
)
def test_a_part_that_was_asked_for(answer: Response) -> None:
    check_part(answer, BLOB, 40, 50, '"1"')


@pytest.mark.parametrize(
    "answer",
    [
        response(200, length=SIZE),
        response(200, "bytes 40-49/100", 10),
        response(206),
        response(206, "bytes 40-48/100", 9),
        response(206, "bytes 40-50/100", 11),
        response(206, "bytes 39-49/100", 11),
        response(206, "bytes 40-49/101", 10),
        response(206, "bytes 40-49/100", 11),
        response(206, "bytes 40-49/100", 10, etag='"2"'),
    ],
)
def test_anything_else_than_the_part(answer: Response) -> None:
    with pytest.raises(InvalidContent, match="asked for bytes 40-49"):
        check_part(answer, BLOB, 40, 50, '"1"')


def test_a_part_of_a_blob_without_etag() -> None:
    check_part(response(206, "bytes 40-49/100", 10, etag='"2"'), BLOB, 40, 50, "")


@pytest.mark.parametrize(
    ("tag", "strong"), [('"1"', '"1"'), (' "1" ', '"1"'), ('W/"1"', ""), ("1", ""), ('"', ""), ("", ""), ('""', '""')]
)
def test_strong_etags(tag: str, strong: str) -> None:
    assert strong_etag(response(200, etag=tag)) == strong
