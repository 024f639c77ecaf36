"""The byte plane: verified before written, stopped at once, bounded in memory."""

from __future__ import annotations

import threading
import time

import anyio
import pytest

from pyskopeo.errors import ContentMismatch, StorageFailed
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.verifier import Verifier
from pyskopeo.streams.cancellation import run_in_thread
from pyskopeo.streams.pump import (
    BUFFER_SIZE,
    ByteReader,
    ByteSink,
    MemoryReader,
    MemorySink,
    Progress,
    pump,
    thread_buffer,
    uncounted,
)
from tests.support.blocked import Blocked

pytestmark = pytest.mark.anyio


def described(content: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor("", Digest.of(content, algorithm), len(content))


async def pump_in_a_thread(reader: ByteReader, sink: ByteSink, verifier: Verifier, progress: Progress) -> None:
    await run_in_thread(lambda: pump(reader, sink, verifier, progress))


class Small:
    """Gives ``step`` bytes at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self._inner, self._step = MemoryReader(content), step

    def readinto(self, buffer: memoryview) -> int:
        return self._inner.readinto(buffer[: self._step])


@pytest.mark.parametrize("size", [0, 1, BUFFER_SIZE - 1, BUFFER_SIZE, BUFFER_SIZE + 1, 3 * BUFFER_SIZE + 7])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_every_byte_arrives_and_is_counted(size: int, algorithm: str) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    sink, counts = MemorySink(), list[int]()
    await pump_in_a_thread(MemoryReader(content), sink, Verifier(described(content, algorithm)), counts.append)
    assert sink.content == content
    assert sum(counts) == size
    assert max(counts, default=0) <= BUFFER_SIZE


def test_short_reads_are_not_the_end() -> None:
    sink = MemorySink()
    pump(Small(b"x" * 1000, 7), sink, Verifier(described(b"x" * 1000)), uncounted)
    assert len(sink.content) == 1000


@pytest.mark.parametrize(("content", "expected"), [(b"abd", b"abc"), (b"ab", b"abc"), (b"abcd", b"abc"), (b"", b"a")])
async def test_other_bytes_are_refused(content: bytes, expected: bytes) -> None:
    sink = MemorySink()
    with pytest.raises(ContentMismatch):
        await pump_in_a_thread(MemoryReader(content), sink, Verifier(described(expected)), uncounted)
    # Never more than was promised, so that nobody fills the disk.
    assert len(sink.content) <= len(expected)


async def test_what_the_sink_raises_is_what_is_raised() -> None:
    class Full:
        def write(self, buffer: memoryview) -> None:
            raise StorageFailed("disk full")

    with pytest.raises(StorageFailed, match="disk full"):
        await pump_in_a_thread(MemoryReader(b"abc"), Full(), Verifier(described(b"abc")), uncounted)


async def test_cancelling_wakes_a_blocked_reader_and_waits_for_its_thread() -> None:
    reader = Blocked()
    started = time.monotonic()
    with anyio.move_on_after(0.1) as scope:
        await pump_in_a_thread(reader, MemorySink(), Verifier(described(b"x")), uncounted)
    # The reader's complaint is not the story: it was cancelled.
    assert scope.cancelled_caught
    assert reader.woken.is_set()
    assert time.monotonic() - started < 5


def test_one_buffer_for_each_thread() -> None:
    mine = thread_buffer()
    assert thread_buffer() is mine
    assert len(mine) == BUFFER_SIZE
    others: list[memoryview] = []
    thread = threading.Thread(target=lambda: others.append(thread_buffer()))
    thread.start()
    thread.join()
    assert others[0] is not mine
