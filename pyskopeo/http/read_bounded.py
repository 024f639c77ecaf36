"""Read a response's body up to a limit, since a server may send more than its headers say, without end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from ..errors import InvalidContent, TooLarge
from .httpx_import import httpx
from .printable import to_printable


async def read_bounded(response: httpx.Response, limit: int, what: str, *, truncate: bool = False) -> bytes:
    """Return the body, of at most ``limit`` bytes; ``what`` begins the messages of errors.

    With ``truncate`` the rest of a longer body is left unread, and its encoding does not matter. Otherwise raises
    `TooLarge` for a longer body, and `InvalidContent` for one with a ``Content-Encoding``.
    """
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "") and not truncate:
        raise InvalidContent(f"{what}: answered with Content-Encoding {to_printable(encoding, 40)}, unasked")
    body = bytearray()
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > limit:
                if truncate:
                    return bytes(body[:limit])
                raise TooLarge(f"{what}: the answer is over the limit of {limit} bytes", limit=limit)
    return bytes(body)
