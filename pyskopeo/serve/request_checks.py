"""What no client of a registry sends: refused before anything else looks at it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .answers import Refusal

if TYPE_CHECKING:
    from starlette.types import Scope

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LONGEST_PATH, _LONGEST_QUERY, _MOST_FIELDS = 1024, 4096, 20
_LONGEST_HEADER, _MOST_HEADERS = 8192, 100
# What names, tags, digests and identifiers of uploads consist of. Nothing needs to be encoded but a colon, and who
# encodes a slash wants to be understood differently by a proxy and by us.
_PATH = re.compile(rb"/(?:[A-Za-z0-9._~:@+=/-]|%3[Aa])*")
_DOTS = re.compile(r"/\.{1,2}(?:/|$)|//")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def odd_request(scope: Scope) -> Refusal | None:
    """Return what is answered to a request that no registry's client sends; None for an ordinary one."""
    method, raw, query = scope["method"], scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    if method not in METHODS:
        return Refusal(405, "UNSUPPORTED", "this method is not supported", {"Allow": ", ".join(sorted(METHODS))})
    if len(raw) > _LONGEST_PATH or len(query) > _LONGEST_QUERY or query.count(b"&") >= _MOST_FIELDS:
        return Refusal(414, "NAME_INVALID", "the path or the query is too long", closes=True)
    if not _PATH.fullmatch(raw) or _DOTS.search(scope["path"]):
        return Refusal(400, "NAME_INVALID", "the path has characters or components that no name has")
    return _odd_headers(scope, method)


def _odd_headers(scope: Scope, method: str) -> Refusal | None:
    headers = scope["headers"]
    if len(headers) > _MOST_HEADERS:
        return Refusal(431, "UNSUPPORTED", "there are too many headers", closes=True)
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in (b"host", b"content-length", b"transfer-encoding", b"authorization") and name in found:
            return Refusal(400, "UNSUPPORTED", f"there are two headers {name.decode()}", closes=True)
        if len(value) > _LONGEST_HEADER:  # h11 takes one that comes in one piece, whatever its length
            return Refusal(431, "UNSUPPORTED", "a header is too long", closes=True)
        found[name] = value
    if b"transfer-encoding" in found and b"content-length" in found:
        # A proxy before us may take the other one for the end of the request (RFC 9112, section 6.1).
        return Refusal(400, "SIZE_INVALID", "Content-Length with Transfer-Encoding is ambiguous", closes=True)
    if b"host" in found and not _HOST.fullmatch(found[b"host"]):
        return Refusal(400, "UNSUPPORTED", "the Host header is no name or address", closes=True)
    if b"origin" in found and method in _CHANGING:
        # Sent by browsers only, for a page that may be anybody's.
        return Refusal(403, "DENIED", "this registry takes no changes from pages in a browser")
    return None
