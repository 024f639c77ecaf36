"""The byte plane: blocking reads into a reused buffer, hash and write, in one worker thread.

The event loop never sees a blob's byte. ``recv_into``, ``hashlib.update`` and ``write`` all release
the interpreter's lock, so several pumps use several cores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from .cancellation import check_cancelled

if TYPE_CHECKING:
    from ..model.verifier import Verifier

BUFFER_SIZE = 1024 * 1024
Progress: TypeAlias = Callable[[int], None]
"""Called in the worker thread with the number of bytes just moved."""

_local = threading.local()


def uncounted(count: int) -> None:
    """The progress of what nobody watches."""


class ByteReader(Protocol):
    """A blocking source of bytes."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of ``buffer``; 0 at the end."""
        ...


class ByteSink(Protocol):
    """A blocking destination of bytes; the buffer is reused after `write` returns."""

    def write(self, buffer: memoryview) -> None: ...


class MemoryReader:
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


def pump(reader: ByteReader, sink: ByteSink, verifier: Verifier, progress: Progress) -> None:
    """Move a blob from ``reader`` to ``sink``; for a worker thread.

    Every buffer is verified before it is written, so a sink never gets more than the descriptor
    promises. Raises `ContentMismatch`, `Cancelled`, and what reader and sink raise.
    """
    buffer = thread_buffer()
    while count := reader.readinto(buffer):
        filled = buffer[:count]
        verifier.feed(filled)
        sink.write(filled)
        progress(count)
        check_cancelled()
    verifier.finish()


def thread_buffer() -> memoryview:
    """This thread's one buffer; worker threads are reused, so is it."""
    buffer: memoryview | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = memoryview(bytearray(BUFFER_SIZE))
    return buffer
