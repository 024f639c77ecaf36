"""The response with a blob that a proxy is fetching."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent, StorageFailed
from ..storage.files import storage_errors
from ..streams.cancellation import run_in_thread
from ..streams.pump import BUFFER_SIZE, thread_buffer
from .blob_fetches import download_of
from .responses import SEND_FILE, while_connected

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ..model.descriptor import Descriptor
    from ..model.reference import Reference
    from ..streams.byte_streams import BlobReader
    from .proxy_content import ProxyContent


class ProxiedBlob:
    """A response with a ``part`` of a blob, whose bytes are sent while they arrive in the store.

    If they cannot be stored, they come from upstream without being kept; ``report`` is told why. Raises what fetching
    the blob raises: if ``started``, the client has got a part of it, and its connection has to be closed.
    """

    def __init__(
        self, content: ProxyContent, reference: Reference, descriptor: Descriptor, part: range, *,
        status: int, headers: Mapping[str, str], report: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._content, self._reference, self._descriptor = content, reference, descriptor
        self._offset, self._end, self._status, self._headers = part.start, part.stop, status, headers
        self._report = report
        self.started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await while_connected(receive, partial(self._send, scope, send))

    async def _send(self, scope: Scope, send: Send) -> None:
        try:
            await self._send_arriving(scope, send)
        except StorageFailed as error:
            self._report(f"{error}: blob {self._descriptor.digest} is passed on without being stored")
            await self._pass_on(send)
        await send({"type": "http.response.body", "body": b""})

    async def _start(self, send: Send) -> None:
        if not self.started:
            self.started = True
            pairs = [(key.lower().encode(), value.encode()) for key, value in self._headers.items()]
            await send({"type": "http.response.start", "status": self._status, "headers": pairs})

    async def _send_arriving(self, scope: Scope, send: Send) -> None:
        """Send what arrives in the store."""
        async with self._content.fetches.reading(self._reference, self._descriptor) as arriving:
            restarts = arriving.restarts
            await self._start(send)
            while self._offset < self._end:
                end = min(self._end, await arriving.wait_for(self._offset, restarts))
                if SEND_FILE in scope.get("extensions", ()):
                    await self._send_file(send, arriving.file, end - self._offset)
                else:
                    end = min(end, self._offset + BUFFER_SIZE)
                    piece = await run_in_thread(partial(_read, arriving.file, self._offset, end))
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    end = self._offset + len(piece)
                self._offset = end

    async def _send_file(self, send: Send, file: FileIO, count: int) -> None:
        """Have the server send the next bytes of a file; an error ends the response: some of them may be sent."""
        try:
            await send({
                "type": SEND_FILE, "file": file, "offset": self._offset, "count": count, "more_body": True,
            })  # fmt: skip
        except StorageFailed as error:
            raise InvalidContent(f"blob {self._descriptor.digest}: {error}") from error

    async def _pass_on(self, send: Send) -> None:
        """Send the rest as it comes from upstream."""
        connections = self._content.connections
        async with (
            connections.used() as used,
            used.endpoints(self._reference) as endpoints,
            download_of(self._descriptor, endpoints, None).opener(self._offset) as reader,
        ):
            await self._start(send)
            while self._offset < self._end:
                piece = await run_in_thread(partial(_next_piece, reader, self._end - self._offset))
                if not piece:
                    size, actual = self._descriptor.size, self._offset
                    message = f"blob {self._descriptor.digest} has {actual} bytes, want {size}"
                    raise ContentMismatch(message, expected=str(size), actual=str(actual))
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                self._offset += len(piece)


def _read(file: FileIO, start: int, end: int) -> bytes:
    with storage_errors("reading a blob"):
        return os.pread(file.fileno(), end - start, start)


def _next_piece(reader: BlobReader, limit: int) -> bytes:
    buffer = thread_buffer()[:limit]
    return bytes(buffer[: reader.readinto(buffer)])
