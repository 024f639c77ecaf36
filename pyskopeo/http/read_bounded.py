"""Read a response's body up to a limit, since a server may send more than its headers say, or without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidContent, Stalled, TooLarge
from .printable import to_printable
from .time_limits import TOO_SLOW_FLAGS, DocumentDeadline

if TYPE_CHECKING:
    from .messages import Response


async def read_bounded(response: Response, limit: int, what: str, *, truncate: bool = False) -> bytes:
    """Return the body, of at most ``limit`` bytes; ``what`` begins the messages of errors.

    With ``truncate`` the rest of a longer body is left unread, and of one that comes too slowly. Otherwise the body is
    to be a JSON object; raises `TooLarge` for a longer one, `Stalled` for one that is not complete at the
    `DocumentDeadline`, and `InvalidContent` for one that is encoded (``Content-Encoding``). Nothing is decoded, since
    no encoding was asked for; but stores set the header on bytes that are not encoded, which are returned.
    """
    body, complete = await response.body.read(limit, DocumentDeadline(*response.time_limits))
    if truncate:
        return body[:limit]
    if len(body) > limit:
        raise TooLarge(f"{what}: the answer is over the limit of {limit} bytes", limit=limit)
    if not complete:
        raise Stalled(f"{what}: the answer comes too slowly, only {len(body)} bytes of it came ({TOO_SLOW_FLAGS})")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "") and not body.lstrip().startswith(b"{"):
        raise InvalidContent(f"{what}: answered with Content-Encoding {to_printable(encoding, 40)}, unasked")
    return body
