"""The content of a blob as an async iterator of chunks, for programs that handle it themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from ..errors import InvalidContent, PyskopeoError, first_error
from ..streams.progress import uncounted

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from ..streams.pump import Blob

# Chunks that wait for their reader: one is read while the next one arrives.
_WAITING = 2


@asynccontextmanager
async def open_chunks(blob: Blob) -> AsyncIterator[AsyncIterator[bytes]]:
    """Read a blob while the caller iterates over its chunks; leaving the context ends it.

    The iteration raises what `Blob.copy_to` raises. After wrong bytes another place is asked only if none of them were
    handed out.
    """
    from anyio import create_memory_object_stream, create_task_group

    sending, receiving = create_memory_object_stream[bytes](_WAITING)
    chunks = _Chunks(receiving)

    async def read() -> None:
        with sending:
            try:
                await blob.copy_to(_ChunkSink(sending), uncounted)
            except PyskopeoError as error:  # for who iterates, not for this task group
                chunks.failure = error

    with receiving, first_error():
        async with create_task_group() as tasks:
            tasks.start_soon(read)
            yield chunks
            tasks.cancel_scope.cancel()


class _Chunks(AsyncIterator[bytes]):
    def __init__(self, receiving: MemoryObjectReceiveStream[bytes]) -> None:
        self._receiving = receiving
        self.failure: PyskopeoError | None = None

    async def __anext__(self) -> bytes:
        from anyio import EndOfStream

        try:
            return await self._receiving.receive()
        except EndOfStream:
            if self.failure is not None:
                raise self.failure from None
            raise StopAsyncIteration from None


class _ChunkSink:
    """A `BlobSink` that hands each buffer to the event loop, and waits while the reader has enough."""

    def __init__(self, sending: MemoryObjectSendStream[bytes]) -> None:
        self._sending = sending
        self._sent = False

    def write(self, buffer: memoryview) -> None:
        from ..http.loop_bridge import run_in_loop

        self._sent = True
        run_in_loop(partial(self._sending.send, bytes(buffer)))

    def restart(self) -> None:
        if self._sent:
            raise InvalidContent("the content is wrong, and some of it was handed out already: read it again")
