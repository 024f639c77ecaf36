"""The byte plane: blocking reads into a reused buffer, hash and write, in one worker thread.

The event loop never sees a blob's byte. ``recv_into``, ``hashlib.update`` and ``write`` all release
the interpreter's lock, so several pumps use several cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from .model.digest import Verifier

BUFFER_SIZE = 1024 * 1024
Progress: TypeAlias = Callable[[int], None]
"""Called in the worker thread with the number of bytes just moved."""

_POLL = 0.005
# From how many bytes on a second thread is worth its start, and how many buffers it needs more.
_WORTHWHILE = 8 * 1024 * 1024
_MORE_BUFFERS = 2

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
    with _hashing(verifier) as hashing:
        while count := reader.readinto(buffer := hashing.buffer()):
            filled = buffer[:count]
            verifier.count(filled)
            hashing.take(filled)
            sink.write(filled)
            progress(count)
            check()
    verifier.finish()


class _Hashing:
    """Hashes what is pumped, in a second thread while there is a processor for it.

    Reading on and writing then go beside it: a blob that moves alone uses two processors.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._buffers = [thread_buffer()]
        self._next = self._pending = 0
        self._thread: threading.Thread | None = None
        self._todo: SimpleQueue[memoryview | None] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()

    def buffer(self) -> memoryview:
        """One that nobody reads any more."""
        while self._pending >= len(self._buffers):
            self._wait()
        self._next = (self._next + 1) % len(self._buffers)
        return self._buffers[self._next]

    def take(self, filled: memoryview) -> None:
        if self._thread is None and self._verifier.size >= _WORTHWHILE and 2 * _pumps.active <= _pumps.processors:
            self._thread = threading.Thread(target=self._run, name="pyskopeo-hash", daemon=True)
            self._thread.start()
            self._buffers += [memoryview(bytearray(BUFFER_SIZE)) for _ in range(_MORE_BUFFERS)]
        if self._thread is not None and 2 * _pumps.active <= _pumps.processors:
            self._pending += 1
            self._todo.put(filled)
        else:
            self.drain()
            self._verifier.hash(filled)

    def drain(self) -> None:
        """Wait until all that was taken is hashed."""
        while self._pending:
            self._wait()

    def close(self) -> None:
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()

    def _wait(self) -> None:
        self._done.get()
        self._pending -= 1

    def _run(self) -> None:
        while (filled := self._todo.get()) is not None:
            self._verifier.hash(filled)
            self._done.put(None)


class _Pumps:
    """How many there are, and how many processors for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.active = 0
        self.processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def __enter__(self) -> None:
        with self._lock:
            self.active += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.active -= 1


_pumps = _Pumps()


@contextmanager
def _hashing(verifier: Verifier) -> Iterator[_Hashing]:
    hashing = _Hashing(verifier)
    with _pumps:
        try:
            yield hashing
            hashing.drain()
        finally:
            hashing.close()


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
