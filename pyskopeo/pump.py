"""The byte plane: blocking reads into a reused buffer, hash and write, in one worker thread.

The event loop never sees a blob's byte. ``recv_into``, ``hashlib.update`` and ``write`` all release
the interpreter's lock, so several pumps use several cores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from .model.digest import Verifier

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

    def abort(self) -> None:
        """Called from another thread: make a blocked `readinto` return or raise soon."""
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
    """`pump` in a worker thread; cancelling aborts the reader, so it ends at once."""
    await run_abortable(lambda check: pump(reader, sink, verifier, progress, check), reader.abort)


async def run_abortable(work: Callable[[Callable[[], None]], None], abort: Callable[[], None]) -> None:
    """Run ``work(check)`` in a worker thread; on cancellation call ``abort``, and wait for its end.

    The thread is waited for, since it still owns its file; ``abort`` makes the wait short.
    """
    from anyio import create_task_group, from_thread, sleep_forever, to_thread

    async def watch() -> None:
        try:
            await sleep_forever()
        finally:
            abort()

    def guarded() -> BaseException | None:
        try:
            work(from_thread.check_cancelled)
        except BaseException as error:  # noqa: BLE001 - carried over to the event loop, raised there
            return error
        return None

    failure: BaseException | None = None
    async with create_task_group() as tasks:
        tasks.start_soon(watch)
        failure = await to_thread.run_sync(guarded)
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
