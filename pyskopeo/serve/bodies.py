"""Bodies of requests: small ones in memory, blobs into uploads by worker threads."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from ..errors import TooLarge, first_error
from ..streams.cancellation import run_in_thread
from .responses import refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.streams.memory import MemoryObjectSendStream
    from starlette.requests import Request

    from ..storage.registry_uploads import Upload

# Bytes that are collected before a worker thread writes and hashes them, while as many are received.
_STEP = 320 * 1024
# Members of the scope that say whether a body is being read, and whether it has been read to its end.
_BEGUN, _ENDED = "pyskopeo.body_begun", "pyskopeo.body_ended"
# Bytes of the rest of a body that are read before an error is answered, so that the client reads the answer.
_DRAINED = 1024 * 1024
_LENGTH = re.compile(r"[0-9]{1,19}", re.ASCII)
_CONTENT_RANGE = re.compile(r"(?:bytes )?([0-9]{1,18})-([0-9]{1,18})(?:/(?:\*|[0-9]{1,18}))?", re.ASCII)


async def read_body(request: Request, limit: int) -> bytes:
    """Return a whole body; raises `TooLarge` over ``limit`` bytes."""
    if (length := content_length(request)) is not None and length > limit:
        raise TooLarge(f"the body has {length} bytes, the limit is {limit}", limit=limit)
    body = bytearray()
    async for piece in _pieces(request):
        body += piece
        if len(body) > limit:
            raise TooLarge(f"the body has over {limit} bytes", limit=limit)
    return bytes(body)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """Yield the pieces of a body that were not read yet; raises `ClientDisconnect`."""
    from starlette.requests import ClientDisconnect

    scope = request.scope
    scope[_BEGUN] = True
    while not scope.get(_ENDED):
        message = await request.receive()
        scope[_ENDED] = not message.get("more_body", False)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")


async def receive_into(request: Request, upload: Upload, limit: int | None) -> None:
    """Append a body to an upload, in worker threads; what has arrived when the client disconnects is kept.

    Raises `TooLarge` when the upload has over ``limit`` bytes, `StorageFailed`, and `ClientDisconnect`.
    """
    from anyio import create_memory_object_stream, create_task_group
    from starlette.requests import ClientDisconnect

    # What has arrived is written while the next bytes are received; without a buffer, so that memory is bounded.
    full, to_write = create_memory_object_stream[list[bytes]](0)

    async def write_all() -> None:
        async with to_write:
            async for pieces in to_write:
                await run_in_thread(partial(_write, upload, pieces))

    failure: Exception | None = None
    with first_error():
        async with create_task_group() as tasks:
            tasks.start_soon(write_all)
            async with full:
                try:
                    await _collect(request, full, None if limit is None else limit - upload.size, limit)
                except (ClientDisconnect, TooLarge) as error:
                    failure = error  # raised when what came before is written
    if failure is not None:
        raise failure


async def _collect(
    request: Request, full: MemoryObjectSendStream[list[bytes]], room: int | None, limit: int | None
) -> None:
    """Pass the pieces of a body on, some at once; also those that came before the client disconnected.

    Raises `TooLarge` over ``room`` bytes, and `ClientDisconnect`.
    """
    pieces: list[bytes] = []
    size = total = 0
    try:
        async for piece in _pieces(request):
            if piece:
                pieces.append(piece)
                size, total = size + len(piece), total + len(piece)
            if room is not None and total > room:
                pieces.clear()
                raise TooLarge(f"the blob has over {limit} bytes", limit=limit or 0)
            if size >= _STEP:
                await full.send(pieces)
                pieces, size = [], 0
    finally:
        if pieces:
            await full.send(pieces)


def _write(upload: Upload, pieces: list[bytes]) -> None:
    for piece in pieces:
        upload.write(piece)


async def drain(request: Request) -> None:
    """Read the rest of a body, if it is not long, and drop it; nothing of one that the client has not begun to send."""
    if request.method in ("GET", "HEAD") or (not request.scope.get(_BEGUN) and "expect" in request.headers):
        return
    left = _DRAINED
    async for piece in _pieces(request):
        left -= len(piece)
        if left < 0:
            return


def content_length(request: Request) -> int | None:
    """Return the Content-Length; None without one. Raises a refusal."""
    value = request.headers.get("content-length")
    if value is None:
        return None
    if not _LENGTH.fullmatch(value):
        raise refusal(400, "SIZE_INVALID", f"Content-Length is {ascii(value)[:40]}, want a number")
    return int(value)


def content_range(request: Request) -> range | None:
    """Return the bytes that a chunk says it has ("Pushing a blob in chunks"), None without Content-Range.

    Raises a refusal for other syntax, and for a Content-Length that differs.
    """
    value = request.headers.get("content-range")
    if value is None:
        return None
    match = _CONTENT_RANGE.fullmatch(value.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise refusal(400, "BLOB_UPLOAD_INVALID", f"Content-Range is {ascii(value)[:60]}, want START-END")
    found = range(int(match[1]), int(match[2]) + 1)
    length = content_length(request)
    if length is not None and length != len(found):
        raise refusal(400, "SIZE_INVALID", f"Content-Range says {len(found)} bytes, Content-Length says {length}")
    return found
