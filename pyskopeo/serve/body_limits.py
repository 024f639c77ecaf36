"""Bodies of requests that are too large or come too slowly."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from .answers import Refusal

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

MANIFEST_BODY = 4 * 1024 * 1024
OTHER_BODY = 64 * 1024
"""Bytes that requests have which upload nothing."""

# A client has to send so many bytes within so many seconds of waiting for it.
LEAST_SENT = 16 * 1024
SEND_SECONDS = 60.0


class LimitedBody:
    """The ``receive`` of a request with a body of at most ``limit`` bytes (None: any number).

    When the body is too large or comes too slowly, the application sees a client that has gone, and ``refusal`` says
    what is to be answered. ``received`` is the number of bytes that have come.
    """

    def __init__(self, receive: Receive, limit: int | None) -> None:
        self._receive = receive
        self._limit = limit
        self._complete = False
        self._seconds, self._sent = SEND_SECONDS, 0
        self.received = 0
        self.refusal: Refusal | None = None

    async def __call__(self) -> Message:
        """Return the next message."""
        from anyio import move_on_after

        if self.refusal is not None:
            return {"type": "http.disconnect"}
        if self._complete:
            return await self._receive()
        begun = monotonic()
        message: Message | None = None
        if self._seconds > 0:
            with move_on_after(self._seconds):
                message = await self._receive()
        if message is None:
            return self._refuse(Refusal(408, "BLOB_UPLOAD_INVALID", "the body comes too slowly", closes=True))
        if message["type"] != "http.request":
            return message
        self._complete = not message.get("more_body")
        count = len(message.get("body", b""))
        self.received += count
        if self._limit is not None and self.received > self._limit:
            return self._refuse(too_large(self._limit))
        self._sent += count
        self._seconds -= monotonic() - begun
        if self._sent >= LEAST_SENT:
            self._seconds, self._sent = SEND_SECONDS, 0
        return message

    def _refuse(self, refusal: Refusal) -> Message:
        self.refusal = refusal
        return {"type": "http.disconnect"}


def too_large(limit: int) -> Refusal:
    """Return the answer to a body over ``limit`` bytes."""
    return Refusal(413, "SIZE_INVALID", f"the body is over the limit of {limit} bytes", closes=True)


def announced_length(scope: Scope) -> int | None:
    """Return the Content-Length of a request, None without a valid one."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else None
    return None
