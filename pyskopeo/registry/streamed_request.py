"""A request of an upload whose body is sent while a worker thread writes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from ..errors import ConnectionFailed, PyskopeoError

if TYPE_CHECKING:
    from ..http.messages import Response
    from ..http.request_body import RequestBody


class StreamedRequest:
    """A request being sent, with a body of ``length`` bytes; None: as many as are written.

    The last ``held`` bytes of the body are not sent before `finish`: the server cannot take the body for complete
    before that. ``sent`` counts the bytes written. The ``scope`` of the request is shielded from a cancellation, so
    that its response can still be read.
    """

    def __init__(self, body: RequestBody, length: int | None, held: int = 0) -> None:
        self.scope = anyio.CancelScope(shield=True)
        self.sent = 0
        self._body, self._length, self._held = body, length, held
        self._last = bytearray()
        self._done = anyio.Event()
        self._response: Response | None = None
        self._error: PyskopeoError | None = None

    @property
    def full(self) -> bool:
        """Whether all bytes of a body of known length have been written."""
        return self._length == self.sent

    def write(self, buffer: memoryview) -> memoryview:
        """Send the bytes that belong to this body, and return the rest."""
        part = buffer if self._length is None else buffer[: self._length - self.sent]
        now = part
        if self._held and self._length is not None:
            now = part[: max(0, self._length - self._held - self.sent)]
            self._last += part[len(now) :]
        if len(now):
            self._body.write(now)
        self.sent += len(part)
        return buffer[len(part) :]

    def finish(self) -> None:
        """Send the bytes that were held and end the body."""
        self._body.finish(bytes(self._last))

    def stop(self) -> None:
        """Stop sending, unless all has been sent: `write` raises from now on."""
        if self.full and not self._held:
            self.finish()
        else:
            self._body.stop()

    async def exchange(self, send: Callable[[RequestBody], Awaitable[Response]]) -> None:
        """Send the request and its body; errors are not raised here, but by `response`."""
        try:
            with self.scope:
                self._response = await send(self._body)
        except PyskopeoError as error:
            self._error = error
        finally:
            self._body.stop()
            self._done.set()

    async def response(self) -> Response:
        """Wait for the response and return it; raises `NetworkError`."""
        await self._done.wait()
        if self._response is None:
            raise self._error or ConnectionFailed("given up", temporary=False)
        return self._response
