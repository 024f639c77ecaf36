"""Which part of a blob a response has: by Range and If-Range (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .responses import VERSION, content_headers, error_reply, is_not_modified, reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ..model.digest import Digest

_RANGE = re.compile(r"bytes=([0-9]{0,99})-([0-9]{0,99})", re.ASCII | re.IGNORECASE)
_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class BlobPart:
    """A ``part`` of a blob that is to be sent, with the status and the headers of the response."""

    part: range
    status: int
    headers: Mapping[str, str]


def requested_part(
    request: Request, digest: Digest, size: int, more_headers: Mapping[str, str] = _NO_HEADERS
) -> BlobPart | Response:
    """Return what is to be sent of a blob ("Pulling blobs"), or the response if that is nothing of it.

    That is for HEAD, for a client that has the blob, and for a range that is not in it. ``more_headers`` are sent, too.
    """
    headers = {
        **VERSION, **content_headers(digest, "application/octet-stream"), **more_headers,
        "Accept-Ranges": "bytes", "Content-Length": str(size),
    }  # fmt: skip
    if request.method == "HEAD" or is_not_modified(request, headers):
        return reply(request, 200, b"", headers)
    part = _requested_range(request, headers, size)
    if part is None:
        return BlobPart(range(size), 200, headers)
    if not part:
        extent = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
        return error_reply(request, 416, "SIZE_INVALID", f"the blob has {size} bytes", extent)
    headers |= {"Content-Range": f"bytes {part.start}-{part.stop - 1}/{size}", "Content-Length": str(len(part))}
    return BlobPart(part, 206, headers)


def byte_range(header: str, size: int) -> range | None:
    """Return the bytes that a Range header requests (RFC 9110, section 14), empty if not satisfiable.

    Returns None, for the whole content, if the header is to be ignored: for other units, several ranges
    and invalid syntax, and for empty content.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not size or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return range(max(size - int(last), 0), size)
    if last and int(last) < int(first):
        return None
    return range(min(int(first), size), min(int(last) + 1, size) if last else size)


def _requested_range(request: Request, headers: Mapping[str, str], size: int) -> range | None:
    """Return the range that a request asks for, considering If-Range; None for the whole content."""
    values = request.headers.getlist("range")
    if len(values) != 1 or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return None
    return byte_range(values[0], size)
