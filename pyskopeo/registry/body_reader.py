"""Read the body of a response in a worker thread, whichever transport it came through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConnectionFailed
from ..http.httpx_import import httpx
from ..http.loop_bridge import run_in_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..streams.byte_streams import ByteReader


def body_reader(response: httpx.Response) -> ByteReader:
    """Return a blocking reader of a response's body: that of `HTTPTransport`, for other transports one over httpx."""
    found: ByteReader | None = response.extensions.get("reader")
    return _AsyncBodyReader(response) if found is None else found


class _AsyncBodyReader:
    """Reads the body of any httpx response in a worker thread, through the event loop."""

    def __init__(self, response: httpx.Response) -> None:
        self._pieces: AsyncIterator[bytes] = response.aiter_raw()
        self._left = memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        while not len(self._left):
            piece = run_in_loop(self._next)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    async def _next(self) -> bytes | None:
        try:
            return await anext(self._pieces, None)
        except httpx.TransportError as error:
            raise ConnectionFailed(f"connection lost: {str(error) or type(error).__name__}") from error
