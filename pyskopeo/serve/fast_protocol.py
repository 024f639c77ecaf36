"""A connection whose requests are read by httptools, and whose files are sent by the kernel.

Imported only where uvicorn and httptools are installed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .file_sending import send_file
from .protocol import BoundedConnection
from .responses import SEND_FILE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Bytes of the head of a request, and of the fields after a body, as h11 limits them.
HEAD_LIMIT = 16 * 1024


class FastProtocol(BoundedConnection, HttpToolsProtocol):
    """A connection whose requests are read by httptools.

    An application may send parts of files with messages of the type `SEND_FILE`, an extension of ASGI that the scope
    names where there is no TLS.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.app: Any = partial(self._run, self.app)
        self._in_body = False
        self._heads = 0  # that are complete
        self._head_size = self._incomplete = 0

    def data_received(self, data: bytes) -> None:
        in_body, heads = self._in_body, self._heads
        super().data_received(data)
        # A field that is not complete is counted here, those that are in on_header().
        self._incomplete = 0 if in_body or self._heads != heads else self._incomplete + len(data)
        if self._incomplete > 2 * HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_body, self._heads, self._head_size = True, self._heads + 1, 0
        super().on_headers_complete()
        self.headers = []  # fields after the body are not added to those of the request

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body = False

    def on_response_complete(self) -> None:
        super().on_response_complete()  # this may begin the next request
        self.response_completed()

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_LIMIT:
            raise ValueError("the head of the request is too long")  # uvicorn answers 400

    async def _run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if self.scheme == "http":
            scope["extensions"] = {SEND_FILE: {}}
            send = partial(self._send, send)
        await self.run(app, scope, receive, send)

    async def _send(self, send: Send, message: Message) -> None:
        if message["type"] != SEND_FILE:
            await send(message)
            return
        cycle: Any = send.__self__  # type: ignore[attr-defined] # the method of a RequestResponseCycle
        count = message["count"]
        if count > cycle.expected_content_length:
            raise RuntimeError("more of a file than Content-Length says")
        if not cycle.disconnected:
            self.transport.set_write_buffer_limits(0)  # so that drain() waits until all is written
            try:
                await cycle.flow.drain()
                await send_file(self.transport, message["file"], message["offset"], count)
            finally:
                self.transport.set_write_buffer_limits()
        cycle.expected_content_length -= count
        if not message.get("more_body", False):
            await send({"type": "http.response.body", "body": b""})
