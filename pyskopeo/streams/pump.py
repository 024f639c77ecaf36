"""Blobs, and the pump that moves their bytes: blocking reads into a reused buffer, hash and write, in a worker thread.

The event loop never sees a blob's byte. ``recv_into``, ``hashlib.update`` and ``write`` all release
the interpreter's lock, so several pumps use several cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from ..errors import ContentMismatch, InvalidContent, StorageFailed, TooLarge, first_error
from ..fast_dataclass import dataclass
from ..model.descriptor import Descriptor
from ..model.events import Placement
from ..model.verifier import Verifier, verifier_for
from .byte_streams import BlobReader, BlobSink, ByteReader, ByteSink, PartReader, PartSink
from .cancellation import check_cancelled, run_in_thread
from .locations import Location
from .plain_content import ANY_CONTENT, PlainContent
from .progress import Progress, note_kept, uncounted

BUFFER_SIZE = 1024 * 1024
# Bytes per write. Linux allocates page cache in pieces as large as a write; large pieces come from memory that has long
# been free, which a virtual machine may have to request from its host again: up to ten times slower.
WRITE_STEP = 256 * 1024

_local = threading.local()


class MemoryReader(BlobReader):
    """Reads what is in memory already, from ``offset`` on."""

    def __init__(self, content: bytes, offset: int = 0) -> None:
        self._left = memoryview(content)[offset:]

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


class MemorySink:
    """Collects small content in memory."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, buffer: memoryview) -> None:
        self.content += buffer

    def restart(self) -> None:
        self.content.clear()


class NullSink:
    """Drops what is written; for content that is only to be verified."""

    def write(self, buffer: memoryview) -> None:
        pass

    def restart(self) -> None:
        pass


class FileReader(BlobReader):
    """A `BlobReader` over ``size`` bytes at ``offset`` of a regular file; ``path`` is named in errors."""

    def __init__(self, fd: int, path: Path, offset: int, size: int) -> None:
        self._fd, self._path, self._offset, self._left = fd, path, offset, size

    def readinto(self, buffer: memoryview) -> int:
        """Read up to ``len(buffer)`` bytes, 0 at the end; raises `StorageFailed`."""
        try:
            count = os.preadv(self._fd, [buffer[: min(len(buffer), self._left)]], self._offset) if self._left else 0
        except OSError as error:
            raise StorageFailed.of(error, f"reading {self._path}") from error
        self._offset += count
        self._left -= count
        return count


class FileSink:
    """A `BlobSink` that writes to a file descriptor, from its current position; ``path`` is named in errors."""

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self.path = path
        self._written = 0

    def write(self, buffer: memoryview) -> None:
        """Write all of ``buffer``; raises `StorageFailed`."""
        try:
            while len(buffer):
                count = os.write(self.fd, buffer[:WRITE_STEP])
                self._written += count
                buffer = buffer[count:]
        except OSError as error:
            raise StorageFailed.of(error, f"writing {self.path}") from error

    def restart(self) -> None:
        """Truncate a regular file to the position where this sink began to write; raises `StorageFailed`."""
        try:
            os.ftruncate(self.fd, os.lseek(self.fd, -self._written, os.SEEK_CUR))
        except OSError as error:
            raise StorageFailed.of(error, f"writing {self.path}") from error
        self._written = 0


def pump(reader: BlobReader, sink: BlobSink, verifier: Verifier, progress: Progress) -> None:
    """Move a blob from ``reader`` to ``sink``; for a worker thread.

    Every buffer is verified before it is written, so a sink never gets more than the descriptor
    promises. After wrong content both ends begin anew, if the reader has another place to read from.
    Raises `InvalidContent` otherwise, `Cancelled`, and what reader and sink raise.
    """
    while True:
        try:
            move(reader, sink, verifier, progress)
            verifier.finish()
        except InvalidContent as error:  # also from a sink that decompresses
            if not reader.restart(error):
                raise
            sink.restart()
            verifier.restart()
        else:
            return


def move(
    reader: ByteReader, sink: ByteSink, verifier: Verifier, progress: Progress, end: int | None = None
) -> None:
    """Move bytes from ``reader`` to ``sink`` up to byte ``end`` of the blob, or to the end; for a worker thread.

    Every buffer is verified before it is written. Raises `InvalidContent`, `Cancelled`, and what reader and sink raise.
    """
    buffer = thread_buffer()
    while end is None or verifier.size < end:
        count = reader.readinto(buffer if end is None else buffer[: end - verifier.size])
        if not count:
            return
        filled = buffer[:count]
        verifier.feed(filled)
        sink.write(filled)
        progress(verifier.size)
        check_cancelled()


def verify_kept(sink: PartSink, verifier: Verifier, progress: Progress, end: int) -> None:
    """Feed bytes that ``sink`` has kept to ``verifier``, up to byte ``end`` of the blob; for a worker thread.

    Raises `InvalidContent`, also if they cannot be read, and `Cancelled`.
    """
    buffer = thread_buffer()
    while verifier.size < end:
        try:
            count = sink.read_at(buffer[: end - verifier.size], verifier.size)
        except StorageFailed as error:
            raise InvalidContent(str(error)) from error
        if not count:
            raise ContentMismatch("a part file has become shorter", expected=str(end), actual=str(verifier.size))
        verifier.feed(buffer[:count])
        progress(verifier.size)
        check_cancelled()


def thread_buffer() -> memoryview:
    """This thread's one buffer; worker threads are reused, so is it."""
    buffer: memoryview | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = memoryview(bytearray(BUFFER_SIZE))
    return buffer


Opener: TypeAlias = Callable[[int], AbstractAsyncContextManager[BlobReader]]
"""Opens a blob for reading from a byte offset on; 0 for the whole blob."""
RangeOpener: TypeAlias = Callable[[int, int], AbstractAsyncContextManager[BlobReader]]
"""Opens a blob for reading from a byte offset on, when only the bytes up to another offset are needed at first."""
Ending: TypeAlias = Callable[[int], Awaitable[bytes]]


class Stored(Protocol):
    """The way of a blob through the content store; a placement says how it came there."""

    async def bring(self, progress: Progress, *, is_document: bool = False) -> tuple[Blob, Placement]:
        """Store the blob unless it is there; return it as it is there, or at its source if it cannot be stored."""
        ...

    async def discard(self) -> bool:
        """Remove the blob from the store if its content there is wrong; return whether it was removed."""
        ...


@dataclass(frozen=True, slots=True)
class Blob:
    """Content that is described, located and not yet opened.

    Only a transport gives the ``opener``, and only this class calls it. ``locations`` say where
    else the same bytes are known to lie, for destinations that can do better than to stream them.
    ``ending`` returns the last bytes of the blob, as many as it is asked for or none, not verified: for guesses only.
    ``plain`` is what must hold for the content when it is decompressed, for destinations that do that.
    ``stored`` brings the blob into the content store; it is read there then, and ``opener`` is not called.
    ``range_opener`` is for sources that send no more than what is requested.
    """

    descriptor: Descriptor
    opener: Opener
    locations: tuple[Location, ...] = ()
    ending: Ending | None = None
    plain: PlainContent = ANY_CONTENT
    stored: Stored | None = None
    range_opener: RangeOpener | None = None

    async def copy_to(self, sink: BlobSink, progress: Progress, *, also: BlobSink | None = None) -> None:
        """Move every byte to ``sink``, verified. After wrong bytes both ends begin anew, while the source has
        another place to read from. ``also`` gets all bytes in order, before they are verified, and begins anew with
        ``sink``; not for a blob that is read through the content store.

        Bytes that a `PartSink` has kept are read back instead of being fetched. If the whole turns out to be wrong, all
        of it is fetched, from the same place. Raises `ContentMismatch` for a wrong size or digest, `InvalidContent` for
        an image configuration that names a field twice, and what the two ends raise. What the sink holds after an
        error must not be used.
        """
        await self._copy_to(sink, progress, also, is_document=False)

    async def _copy_to(self, sink: BlobSink, progress: Progress, also: BlobSink | None, *, is_document: bool) -> None:
        if self.stored is not None:
            assert also is None
            await self._copy_stored(self.stored, sink, progress, is_document=is_document)
            return
        verifier = verifier_for(self.descriptor)
        if also is not None:
            from .passing_verifier import PassingVerifier  # for docker archives only

            verifier = PassingVerifier(verifier, also)
        if isinstance(sink, PartSink) and (sink.kept or sink.parts):
            note_kept(progress, sink.kept + sum(end - start for start, end in sink.parts))
            if await self._complete(sink, verifier, progress):
                return
            note_kept(progress, 0)
            sink.restart()
            verifier.restart()
        async with self.opener(0) as reader:
            reader.is_document = reader.is_document or is_document
            parts = reader.in_parts(sink, 0, progress) if isinstance(sink, PartSink) else None
            if parts is None:
                await run_in_thread(partial(pump, reader, sink, verifier, progress))
            else:
                await _pump_parts(parts, verifier)

    async def _copy_stored(self, stored: Stored, sink: BlobSink, progress: Progress, *, is_document: bool) -> None:
        """Move every byte from the content store to ``sink``; if the disk has changed them, bring the blob again."""
        blob, _ = await stored.bring(progress, is_document=is_document)
        try:
            await blob.copy_to(sink, progress)
        except InvalidContent:  # also from a sink that decompresses
            if not await stored.discard():
                raise
            await run_in_thread(sink.restart)
            blob, _ = await stored.bring(progress)
            await blob.copy_to(sink, progress)

    async def _complete(self, sink: PartSink, verifier: Verifier, progress: Progress) -> bool:
        """Fetch the bytes that ``sink`` lacks, and verify all of them; returns whether they are right.

        If the source cannot be opened, that says nothing about what was kept: raises what the source raises.
        """
        size = self.descriptor.size
        for start, end in ((0, sink.kept), *sink.parts, (size, size)):
            if verifier.size < start:
                bounded = self.range_opener
                async with self.opener(verifier.size) if bounded is None else bounded(verifier.size, start) as reader:
                    if (parts := reader.in_parts(sink, verifier.size, progress)) is not None:
                        return await _succeeds(_pump_parts(parts, verifier))
                    # To the end of the source if no part follows, so that surplus bytes are noticed.
                    until = None if start == size else start
                    if not await _succeeds(run_in_thread(partial(move, reader, sink, verifier, progress, until))):
                        return False
            if verifier.size < end:
                if not await _succeeds(run_in_thread(partial(verify_kept, sink, verifier, progress, end))):
                    return False
                sink.skip_to(end)
        return await _succeeds(run_in_thread(verifier.finish))

    async def read(self, limit: int) -> bytes:
        """Return the whole content, verified; for configurations. Raises `TooLarge` over ``limit`` bytes.

        From a server it must come in the time of a small document, as a manifest must.
        """
        if self.descriptor.size > limit:
            raise TooLarge(f"blob {self.descriptor.digest} is over the limit of {limit} bytes", limit=limit)
        sink = MemorySink()
        await self._copy_to(sink, uncounted, None, is_document=True)
        return bytes(sink.content)


async def _succeeds(work: Awaitable[None]) -> bool:
    """Wait for ``work``; returns False if it raises `InvalidContent`."""
    try:
        await work
    except InvalidContent:
        return False
    return True


async def _pump_parts(parts: PartReader, verifier: Verifier) -> None:
    """Move the bytes of ``parts`` as `pump` does, while others are fetched; the first error ends both."""
    from anyio import create_task_group

    with first_error():
        async with create_task_group() as tasks:
            tasks.start_soon(parts.fetch_ahead)
            await run_in_thread(partial(pump, parts, parts.sink, verifier, uncounted))
            tasks.cancel_scope.cancel()
