"""The byte plane: blocking reads into a reused buffer, hash and write, in one worker thread.

The event loop never sees a blob's byte. ``recv_into``, ``hashlib.update`` and ``write`` all release
the interpreter's lock, so several pumps use several cores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from ..model.verifier import Verifier

BUFFER_SIZE = 1024 * 1024
Progress: TypeAlias = Callable[[int], None]
"""Called in the worker thread with the number of bytes just moved."""

_POLL = 0.005

_local = threading.local()


class _Stopped(Exception):
    """Ends a worker thread whose task was cancelled; seen by nobody."""


def uncounted(count: int) -> None:
    """The progress of what nobody watches."""


class ByteReader(Protocol):
    """A blocking source of bytes."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of ``buffer``; 0 at the end."""
        ...

    def abort(self) -> None:
        """Called from another thread: make a blocked `readinto` return or raise soon."""
        ...


class ByteSink(Protocol):
    """A blocking destination of bytes; the buffer is reused after `write` returns."""

    def write(self, buffer: memoryview) -> None: ...


@runtime_checkable
class Abortable(Protocol):
    """A sink whose `write` may block for long."""

    def abort(self) -> None:
        """Called from another thread: make a blocked `write` raise soon."""
        ...


class MemoryReader:
    """Reads what is in memory already."""

    def __init__(self, content: bytes) -> None:
        self._left = memoryview(content)

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def abort(self) -> None:
        """Nothing here blocks."""


class MemorySink:
    """Collects small content in memory."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, buffer: memoryview) -> None:
        self.content += buffer


def pump(
    reader: ByteReader, sink: ByteSink, verifier: Verifier, progress: Progress, check: Callable[[], None]
) -> None:
    """Move a blob from ``reader`` to ``sink``; ``check`` raises when it is to stop.

    Every buffer is verified before it is written, so a sink never gets more than the descriptor
    promises. Raises `ContentMismatch`, and what reader, sink and check raise.
    """
    buffer = thread_buffer()
    while count := reader.readinto(buffer):
        filled = buffer[:count]
        verifier.feed(filled)
        sink.write(filled)
        progress(count)
        check()
    verifier.finish()


def thread_buffer() -> memoryview:
    """This thread's one buffer; worker threads are reused, so is it."""
    buffer: memoryview | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = memoryview(bytearray(BUFFER_SIZE))
    return buffer


async def pump_in_thread(reader: ByteReader, sink: ByteSink, verifier: Verifier, progress: Progress) -> None:
    """`pump` in a worker thread; cancelling aborts both ends, so it ends at once."""

    def abort() -> None:
        reader.abort()
        if isinstance(sink, Abortable):
            sink.abort()

    await run_abortable(lambda check: pump(reader, sink, verifier, progress, check), abort)


async def run_abortable(work: Callable[[Callable[[], None]], None], abort: Callable[[], None]) -> None:
    """Run ``work(check)`` in a worker thread; on cancellation call ``abort``, and wait for its end.

    The thread is waited for, since it still owns its file; ``abort`` makes the wait short.
    """
    from anyio import CancelScope, get_cancelled_exc_class, sleep, to_thread

    # Whoever takes it first decides whether the work is begun at all: a task may be cancelled
    # while it still waits for a thread.
    begun = threading.Lock()
    cancelled, ended = threading.Event(), threading.Event()

    def check() -> None:
        if cancelled.is_set():
            raise _Stopped

    def thread() -> None:
        if not begun.acquire(blocking=False):
            return
        try:
            work(check)
        finally:
            ended.set()

    try:
        await to_thread.run_sync(thread, abandon_on_cancel=True)
    except get_cancelled_exc_class():
        cancelled.set()
        if not begun.acquire(blocking=False):
            abort()
            with CancelScope(shield=True):
                while not ended.is_set():  # noqa: ASYNC110 - set by a thread, which no event reaches when abandoned
                    await sleep(_POLL)
        raise
