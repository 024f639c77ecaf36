"""The byte plane: verified before written, stopped at once, bounded in memory."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import anyio
import pytest

from pyskopeo.errors import ContentMismatch, InvalidContent, StorageFailed
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.verifier import Verifier
from pyskopeo.streams.byte_streams import BlobReader, BlobSink
from pyskopeo.streams.cancellation import run_in_thread
from pyskopeo.streams.progress import Progress, uncounted
from pyskopeo.streams.pump import BUFFER_SIZE, MemoryReader, MemorySink, NullSink, pump, thread_buffer
from tests.support.blocked import Blocked

pytestmark = pytest.mark.anyio


def described(content: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor("", Digest.of(content, algorithm), len(content))


async def pump_in_a_thread(reader: BlobReader, sink: BlobSink, verifier: Verifier, progress: Progress) -> None:
    await run_in_thread(lambda: pump(reader, sink, verifier, progress))


class Small(BlobReader):
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
    assert counts[-1:] == ([size] if size else [])
    assert all(0 < count - before <= BUFFER_SIZE for before, count in pairwise([0, *counts]))


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
    class Full(NullSink):
        def write(self, buffer: memoryview) -> None:
            raise StorageFailed("disk full")

    with pytest.raises(StorageFailed, match="disk full"):
        await pump_in_a_thread(MemoryReader(b"abc"), Full(), Verifier(described(b"abc")), uncounted)


class Elsewhere(BlobReader):
    """Gives each of ``contents`` in turn, ``step`` bytes at a time, and notes what it was restarted for."""

    def __init__(self, *contents: bytes, step: int = BUFFER_SIZE) -> None:
        self._next, self._step = iter(contents), step
        self._reader = MemoryReader(next(self._next))
        self.errors: list[InvalidContent] = []

    def readinto(self, buffer: memoryview) -> int:
        return self._reader.readinto(buffer[: self._step])

    def restart(self, error: InvalidContent) -> bool:
        self.errors.append(error)
        content = next(self._next, None)
        if content is not None:
            self._reader = MemoryReader(content)
        return content is not None


RIGHT = b"right" * 100
WRONG = [b"wrong" * 100, RIGHT[:-1], RIGHT + b"!", b""]


@pytest.mark.parametrize("wrong", [*([one] for one in WRONG), WRONG])
async def test_wrong_content_is_replaced_by_anothers(wrong: list[bytes]) -> None:
    reader, sink, counts = Elsewhere(*wrong, RIGHT, step=300), MemorySink(), list[int]()
    await pump_in_a_thread(reader, sink, Verifier(described(RIGHT)), counts.append)
    assert sink.content == RIGHT
    assert [type(error) for error in reader.errors] == [ContentMismatch] * len(wrong)
    assert max(counts) == counts[-1] == len(RIGHT)


async def test_wrong_content_everywhere_is_the_last_ones_error() -> None:
    reader, sink = Elsewhere(b"one", b"two", b"three"), MemorySink()
    with pytest.raises(ContentMismatch, match="longer") as caught:
        await pump_in_a_thread(reader, sink, Verifier(described(b"abc")), uncounted)
    assert reader.errors[-1] is caught.value
    assert len(reader.errors) == 3


async def test_what_a_sink_cannot_decompress_is_wrong_content() -> None:
    class Picky(MemorySink):
        def write(self, buffer: memoryview) -> None:
            super().write(buffer)
            if b"w" in bytes(buffer):
                raise InvalidContent("damaged gzip data")

    reader, sink = Elsewhere(WRONG[0], RIGHT), Picky()
    await pump_in_a_thread(reader, sink, Verifier(described(RIGHT)), uncounted)
    assert sink.content == RIGHT
    assert [str(error) for error in reader.errors] == ["damaged gzip data"]


async def test_other_errors_restart_nothing() -> None:
    class Full(NullSink):
        def write(self, buffer: memoryview) -> None:
            raise StorageFailed("disk full")

    reader = Elsewhere(RIGHT, RIGHT)
    with pytest.raises(StorageFailed):
        await pump_in_a_thread(reader, Full(), Verifier(described(RIGHT)), uncounted)
    assert reader.errors == []


async def test_cancelling_wakes_a_blocked_reader_and_waits_for_its_thread() -> None:
    reader = Blocked()
    started = time.monotonic()
    with anyio.move_on_after(0.1) as scope:
        await pump_in_a_thread(reader, MemorySink(), Verifier(described(b"x")), uncounted)
    # The reader's complaint is not the story: it was cancelled.
    assert scope.cancelled_caught
    assert reader.woken.is_set()
    assert time.monotonic() - started < 15


def test_one_buffer_for_each_thread() -> None:
    mine = thread_buffer()
    assert thread_buffer() is mine
    assert len(mine) == BUFFER_SIZE
    others: list[memoryview] = []
    thread = threading.Thread(target=lambda: others.append(thread_buffer()))
    thread.start()
    thread.join()
    assert others[0] is not mine
