"""Read a response's body up to a limit, since a server may send more than its headers say, or without end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from anyio import move_on_after

from ..errors import InvalidContent, Stalled, TooLarge
from .httpx_import import httpx
from .printable import to_printable
from .time_limits import DocumentDeadline

# Seconds: the stall timeout and the response timeout of a response that has no extension ``time_limits``.
_TIME_LIMITS = (60.0, 300.0)


async def read_bounded(response: httpx.Response, limit: int, what: str, *, truncate: bool = False) -> bytes:
    """Return the body, of at most ``limit`` bytes; ``what`` begins the messages of errors.

    With ``truncate`` the rest of a longer body is left unread, and of one that comes too slowly; its encoding does
    not matter. Otherwise raises `TooLarge` for a longer body, `Stalled` for one that is not complete at the
    `DocumentDeadline`, and `InvalidContent` for one with a ``Content-Encoding``.
    """
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "") and not truncate:
        raise InvalidContent(f"{what}: answered with Content-Encoding {to_printable(encoding, 40)}, unasked")
    body, deadline = bytearray(), DocumentDeadline(*response.extensions.get("time_limits", _TIME_LIMITS))
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as pieces:
        while True:
            with move_on_after(deadline.left(len(body))) as scope:
                piece = await anext(pieces, b"")
            if scope.cancelled_caught:
                break
            if not piece:
                return bytes(body)
            body += piece
            if len(body) > limit:
                if truncate:
                    return bytes(body[:limit])
                raise TooLarge(f"{what}: the answer is over the limit of {limit} bytes", limit=limit)
    if truncate:
        return bytes(body)
    error = deadline.error(len(body))
    raise Stalled(f"{what}: {error} ({error.flags})")
