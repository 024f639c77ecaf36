"""The byte plane: blocking reads into a reused buffer, hash and write, in one worker thread.

The event loop never sees a blob's byte. ``recv_into``, ``hashlib.update`` and ``write`` all release
the interpreter's lock, so several pumps use several cores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..errors import InvalidContent
from .cancellation import check_cancelled

if TYPE_CHECKING:
    from ..model.verifier import Verifier

BUFFER_SIZE = 1024 * 1024
Progress: TypeAlias = Callable[[int], None]
"""Called in the worker thread with the number of bytes of the blob that were moved so far; fewer than before
when the blob begins anew."""

_local = threading.local()


def uncounted(moved: int) -> None:
    """Ignore progress."""


class ByteReader(Protocol):
    """A blocking source of bytes."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of ``buffer``; 0 at the end."""
        ...


class BlobReader(ByteReader, Protocol):
    """A `ByteReader` over a whole blob, for `pump`."""

    def restart(self, error: InvalidContent) -> bool:
        """After ``error`` in what was read: read from byte 0 again, from another place.

        False if there is no other place, which is the default.
        """
        return False


class ByteSink(Protocol):
    """A blocking destination of bytes; the buffer is reused after `write` returns."""

    def write(self, buffer: memoryview) -> None: ...


class BlobSink(ByteSink, Protocol):
    """A `ByteSink` for a whole blob, for `pump`."""

    def restart(self) -> None:
        """Forget what was written: it was wrong, and the blob follows from byte 0. Called by the thread that writes."""
        ...


class MemoryReader(BlobReader):
    """Reads what is in memory already."""

    def __init__(self, content: bytes) -> None:
        self._left = memoryview(content)

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


def pump(reader: BlobReader, sink: BlobSink, verifier: Verifier, progress: Progress) -> None:
    """Move a blob from ``reader`` to ``sink``; for a worker thread.

    Every buffer is verified before it is written, so a sink never gets more than the descriptor
    promises. After wrong content both ends begin anew, if the reader has another place to read from.
    Raises `InvalidContent` otherwise, `Cancelled`, and what reader and sink raise.
    """
    buffer = thread_buffer()
    while True:
        try:
            while count := reader.readinto(buffer):
                filled = buffer[:count]
                verifier.feed(filled)
                sink.write(filled)
                progress(verifier.size)
                check_cancelled()
            verifier.finish()
        except InvalidContent as error:  # also from a sink that decompresses
            if not reader.restart(error):
                raise
            sink.restart()
            verifier.restart()
        else:
            return


def thread_buffer() -> memoryview:
    """This thread's one buffer; worker threads are reused, so is it."""
    buffer: memoryview | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = memoryview(bytearray(BUFFER_SIZE))
    return buffer
