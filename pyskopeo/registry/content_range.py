"""Which bytes of a blob a response carries (RFC 9110 section 14.4; distribution specification, "Pulling blobs").

What registries send in response to a Range request differs. The digest, which the pump verifies at the
end, decides; what is checked here is only what would waste a download.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent
from ..fast_dataclass import dataclass
from ..http.printable import clean

if TYPE_CHECKING:
    import httpx

    from ..model.descriptor import Descriptor

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:([0-9]{1,19})|\*)", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of a blob from ``start`` to before ``end``; None where the body ends with the connection."""

    start: int
    end: int | None


def starts_at(response: httpx.Response, offset: int, size: int) -> bool:
    """Whether a 206 carries the bytes from ``offset`` of a blob of ``size`` bytes."""
    part = _content_range(response, size)
    return part is not None and part.start == offset


def blob_part(response: httpx.Response, descriptor: Descriptor, offset: int) -> Part:
    """The bytes that a 200 or 206 carries of the blob that was asked for from ``offset`` on.

    Raises `InvalidContent` for a content encoding or another range, `ContentMismatch` for another size.
    """
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", ""):
        raise InvalidContent(
            f"blob {descriptor.digest} was served with Content-Encoding {clean(encoding, 40)}: refused"
        )
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
            f"blob {descriptor.digest}: the registry has {length} bytes, the manifest says {descriptor.size}",
            expected=str(descriptor.size),
            actual=str(length),
        )
    framed = length is not None or "transfer-encoding" in response.headers or "reader" not in response.extensions
    return Part(0, descriptor.size if framed else None)


def _content_range(response: httpx.Response, size: int) -> Part | None:
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None or (found[3] and int(found[3]) != size):
        return None
    start, end = int(found[1]), int(found[2]) + 1
    length = _content_length(response)
    return Part(start, end) if start < end <= size and length in (None, end - start) else None


def _content_length(response: httpx.Response) -> int | None:
    length = response.headers.get("content-length", "")
    return int(length) if _LENGTH.fullmatch(length) else None
