"""Requests for URLs, whose origin and request target are found (RFC 3986, RFC 9112 section 3.2). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import InvalidContent
from .messages import Request, Route
from .origin import Origin
from .streamed_body import StreamedBody

if TYPE_CHECKING:
    from .locality import Locality

# URLs that are sent as they are: nothing in them is to be encoded. Those with an international host name and those with
# other characters are normalized by httpx.
_PLAIN = re.compile(
    r"https?://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?"
    r"(?P<path>/[!$-;=@-_a-z|~]*)?(?P<query>\?[!$-;=?-~]*)?(?:#[!-~]*)?"
)
_ADDRESS = re.compile(r"\[.*|[0-9]+(?:\.[0-9]+){3}")
# Characters.
_MAX_LENGTH = 65536
# The methods of requests that have a body, which may be empty (RFC 9110 section 8.6).
_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})


def request_to(
    method: str, url: str, user_agent: str, headers: Mapping[str, str], body: bytes | StreamedBody = b"",
    *, reach: Locality | None = None,
) -> Request:  # fmt: skip
    """Return a request that is complete with ``Host`` and the length of its body.

    The headers of a `StreamedBody` have to say how long it is. Raises as `parse_request_url`, and `InvalidContent` for
    a header that is not ASCII.
    """
    origin, target = parse_request_url(url)
    fields = {"host": origin.netloc, "user-agent": user_agent, "accept-encoding": "identity"}
    for name, value in headers.items():
        key = name.lower()
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    if isinstance(body, bytes) and (body or method in _WITH_BODY) and "transfer-encoding" not in fields:
        fields.setdefault("content-length", str(len(body)))
    for name, value in fields.items():
        if not value.isascii():
            raise InvalidContent(f"{origin}: not a header that can be sent: {ascii(name)}")
    return Request(method, Route(origin, reach), target, tuple(fields.items()), body)


def parse_request_url(url: str) -> tuple[Origin, str]:
    """Return the origin of a URL, with the host as it is sent, and its path and query, percent-encoded.

    Raises `InvalidContent` for one that cannot be requested, and `UnsafeAddress` as `Origin.of`.
    """
    found = _PLAIN.fullmatch(url)
    if found is not None and len(url) <= _MAX_LENGTH:
        host, path, query = found.groups()
        # Segments "." and ".." are to be removed.
        if "/." not in (path or "") and (_ADDRESS.fullmatch(host) is None or _is_address(host)):
            return Origin.of(url), (path or "/") + (query or "")
    return _normalized(url)


@lru_cache(maxsize=32)
def _is_address(host: str) -> bool:
    """Return whether the host in a URL is an IP address."""
    import ipaddress

    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _normalized(url: str) -> tuple[Origin, str]:
    from .httpx_import import httpx

    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:  # UnicodeError for invalid internationalized host names
        raise InvalidContent(f"{Origin.of(url)}: not a URL that can be asked for: {error}") from None
    return Origin.of(str(found)), found.raw_path.decode("ascii")
