"""Read a response's body up to a limit, since a server may send more than its headers say, or without end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from ..errors import InvalidContent, Stalled, TooLarge
from .httpx_import import httpx
from .printable import to_printable
from .time_limits import TOO_SLOW_FLAGS, DocumentDeadline

# Seconds: the stall timeout and the response timeout of a response that has no extension ``time_limits``.
_TIME_LIMITS = (60.0, 300.0)


async def read_bounded(response: httpx.Response, limit: int, what: str, *, truncate: bool = False) -> bytes:
    """Return the body, of at most ``limit`` bytes; ``what`` begins the messages of errors.

    With ``truncate`` the rest of a longer body is left unread, and of one that comes too slowly. Otherwise the body is
    to be a JSON object; raises `TooLarge` for a longer one, `Stalled` for one that is not complete at the
    `DocumentDeadline`, and `InvalidContent` for one that is encoded (``Content-Encoding``). Nothing is decoded, since
    no encoding was asked for; but stores set the header on bytes that are not encoded, which are returned.
    """
    body, complete = await _read(response, limit)
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


async def _read(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """Return the body, or more than ``limit`` bytes of it, and whether that came in time."""
    from anyio import move_on_after

    body, deadline = bytearray(), DocumentDeadline(*response.extensions.get("time_limits", _TIME_LIMITS))
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as pieces:
        while len(body) <= limit:
            with move_on_after(deadline.left(len(body))) as scope:
                piece = await anext(pieces, b"")
            if scope.cancelled_caught:
                return bytes(body), False
            if not piece:
                break
            body += piece
    return bytes(body), True
