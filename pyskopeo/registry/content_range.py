"""Determine which bytes of a blob a response has (RFC 9110 section 14.4; distribution specification, "Pulling blobs").

Registries respond to a Range request in different ways. The digest is verified at the end of the download; the
checks here only avoid downloads that would fail then.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent
from ..fast_dataclass import dataclass
from ..http.printable import to_printable

if TYPE_CHECKING:
    from ..http.messages import Response
    from ..model.descriptor import Descriptor

# Compiled by `re` at the first use.
_CONTENT_RANGE = r"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:([0-9]{1,19})|\*)"
_LENGTH = r"[0-9]{1,19}"


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of a blob from ``start`` up to ``end``, exclusive; None if the body ends with the connection."""

    start: int
    end: int | None


def starts_at(response: Response, offset: int, size: int) -> bool:
    """Return whether a 206 has the bytes from ``offset`` on of a blob of ``size`` bytes."""
    part = _content_range(response, size)
    return part is not None and part.start == offset


def blob_part(response: Response, descriptor: Descriptor, offset: int) -> Part:
    """Return the bytes that a 200 or 206 has of the blob that was requested from ``offset`` on.

    A ``Content-Encoding`` does not matter: none was asked for, stores set it on bytes that are the blob as it is, and
    nothing is decoded. Raises `InvalidContent` for another range, `ContentMismatch` for another size.
    """
    if response.status_code == 206:
        part = _content_range(response, descriptor.size)
        if part is None or part.start != offset:
            raise InvalidContent(
                f"blob {descriptor.digest}: asked for bytes {offset}-, "
                f"got Content-Range {ascii(response.headers.get('content-range', ''))[:80]}"
            )
        return part
    length = _content_length(response)
    if length is not None and length != descriptor.size:
        raise ContentMismatch(
            f"blob {descriptor.digest}: the registry has {length} bytes{describe_encoding(response)}, "
            f"the manifest says {descriptor.size}",
            expected=str(descriptor.size),
            actual=str(length),
        )
    return Part(0, None if response.ends_with_connection else descriptor.size)


def strong_etag(response: Response) -> str:
    """Return the entity tag of a response if it is a strong one (RFC 9110 section 8.8.3), else ""."""
    tag = response.headers.get("etag", "").strip()
    return tag if len(tag) > 1 and tag[0] == tag[-1] == '"' else ""


def check_part(response: Response, descriptor: Descriptor, start: int, end: int, etag: str) -> None:
    """Raise `InvalidContent` unless a 200 or 206 has exactly the bytes from ``start`` up to ``end`` of a blob.

    ``etag`` is the strong entity tag of the blob, "" if it is not known: the response must not have another one.
    """
    asked = f"blob {descriptor.digest}: asked for bytes {start}-{end - 1}"
    if response.status_code != 206:
        raise InvalidContent(f"{asked}, got the whole")
    part = _content_range(response, descriptor.size)
    if part is None or (part.start, part.end) != (start, end):
        stated = ascii(response.headers.get("content-range", ""))[:80]
        raise InvalidContent(f"{asked}, got Content-Range {stated}")
    found = strong_etag(response)
    if etag and found and found != etag:
        raise InvalidContent(f"{asked} with ETag {to_printable(etag, 80)}, got {to_printable(found, 80)}")


def describe_encoding(response: Response) -> str:
    """Return a part of an error message for wrong bytes: the response's content encoding, "" without one."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    return f" (Content-Encoding {to_printable(encoding, 40)})" if encoding not in ("", "identity") else ""


def _content_range(response: Response, size: int) -> Part | None:
    found = re.fullmatch(_CONTENT_RANGE, response.headers.get("content-range", ""))
    if found is None or (found[3] and int(found[3]) != size):
        return None
    start, end = int(found[1]), int(found[2]) + 1
    length = _content_length(response)
    return Part(start, end) if start < end <= size and length in (None, end - start) else None


def _content_length(response: Response) -> int | None:
    length = response.headers.get("content-length", "")
    return int(length) if re.fullmatch(_LENGTH, length) else None
