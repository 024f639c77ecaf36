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

    With ``truncate`` the rest of a longer body is left unread. Otherwise the body is to be a JSON object; raises
    `TooLarge` for a longer one, and `InvalidContent` for one that is encoded (``Content-Encoding``). Nothing is
    decoded, since no encoding was asked for; but stores set the header on bytes that are not encoded, which are
    returned.
    """
    body = bytearray()
    async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > limit:
                if truncate:
                    return bytes(body[:limit])
                raise TooLarge(f"{what}: the answer is over the limit of {limit} bytes", limit=limit)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "") and not truncate and not body.lstrip().startswith(b"{"):
        raise InvalidContent(f"{what}: answered with Content-Encoding {to_printable(encoding, 40)}, unasked")
    return bytes(body)
