"""The body of a request that a worker thread writes, whichever way the request is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial

import anyio

from ..errors import ConnectionFailed
from .loop_bridge import run_in_loop
from .streamed_body import END_SECONDS, StreamedBody


class RequestBody(StreamedBody):
    """A `StreamedBody` that httpx can send, too.

    `HTTPTransport` calls `transmit`; httpx iterates over `pieces`.
    """

    def __init__(self, *, end_seconds: float = END_SECONDS) -> None:
        super().__init__(end_seconds=end_seconds)
        self._close: Callable[[], None] = lambda: None
        self._drop: Callable[[], None] = lambda: None

    def finish(self, last: bytes = b"") -> None:
        super().finish(last)
        self._close()

    def stop(self) -> None:
        super().stop()
        self._drop()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what `write` is given, in the event loop; raises `ConnectionFailed` if it is stopped."""
        sending, receiving = anyio.create_memory_object_stream[bytes](0)

        def write(buffer: memoryview) -> None:
            try:
                run_in_loop(partial(sending.send, bytes(buffer)))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                raise ConnectionError(str(error) or type(error).__name__) from error

        def drop() -> None:
            sending.close()
            receiving.close()  # wakes a waiting `send`; closing the other end does so in newer versions of anyio only

        self._write, self._close, self._drop = write, sending.close, drop
        self._ready.set()
        with receiving, suppress(anyio.ClosedResourceError):
            async for piece in receiving:
                yield piece
        if not self.complete:
            raise ConnectionFailed("given up", temporary=False)
        if self._last:
            yield self._last
