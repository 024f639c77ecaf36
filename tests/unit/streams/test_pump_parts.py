"""Blobs of which a sink has kept parts: only the rest is fetched, all is verified, and what was wrong is fetched again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pyskopeo.errors import ContentMismatch, InvalidContent, StorageFailed
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.streams.byte_streams import BlobReader, PartSink, SkippingReader
from pyskopeo.streams.progress import uncounted
from pyskopeo.streams.pump import Blob, MemoryReader, NullSink

pytestmark = pytest.mark.anyio
CONTENT = bytes(range(256)) * 40
Ranges = tuple[tuple[int, int], ...]


class Kept(PartSink):
    """A sink in memory that has some ranges of the blob from the beginning, and of ``wrong`` content if it is given."""

    def __init__(self, kept: int, *parts: tuple[int, int], wrong: bool = False, broken: bool = False) -> None:
        self.kept, self.parts = kept, parts
        self.content = bytearray(len(CONTENT))
        for start, end in ((0, kept), *parts):
            self.content[start:end] = bytes(end - start) if wrong else CONTENT[start:end]
        self.position, self.restarts, self.broken = kept, 0, broken

    def write(self, buffer: memoryview) -> None:
        self.content[self.position : self.position + len(buffer)] = buffer
        self.position += len(buffer)

    def restart(self) -> None:
        self.restarts += 1
        self.kept, self.parts, self.position = 0, (), 0
        self.content = bytearray(len(CONTENT))

    def read_at(self, buffer: memoryview, offset: int) -> int:
        if self.broken:
            raise StorageFailed("input/output error")
        found = self.content[offset : offset + min(1000, len(buffer))]
        buffer[: len(found)] = found
        return len(found)

    def write_at(self, buffer: memoryview, offset: int) -> None:
        raise AssertionError("this blob is fetched in order")

    def part_written(self, start: int, end: int) -> None:
        raise AssertionError("this blob is fetched in order")

    def skip_to(self, offset: int) -> None:
        self.position = offset


class Origin:
    """Where the blob comes from, and the offsets at which it was opened and the bytes that were read there."""

    def __init__(self, content: bytes = CONTENT, error: type[InvalidContent] | None = None) -> None:
        self.content, self.error = content, error
        self.opened: list[list[int]] = []
        self.restarts = 0

    @asynccontextmanager
    async def open(self, offset: int) -> AsyncIterator[BlobReader]:
        self.opened.append([offset, 0])
        if offset and self.error:
            raise self.error("these are other bytes")
        yield Counted(self, MemoryReader(self.content, offset))


class Counted(BlobReader):
    def __init__(self, origin: Origin, reader: BlobReader) -> None:
        self.origin, self.reader = origin, reader

    def readinto(self, buffer: memoryview) -> int:
        assert len(buffer), "0 would be taken for the end"
        count = self.reader.readinto(buffer[:700])
        self.origin.opened[-1][1] += count
        return count

    def restart(self, error: InvalidContent) -> bool:
        self.origin.restarts += 1
        return False


def blob(origin: Origin) -> Blob:
    return Blob(Descriptor("", Digest.of(CONTENT), len(CONTENT)), origin.open)


SIZE = len(CONTENT)


@pytest.mark.parametrize(
    ("kept", "parts", "fetched"),
    [
        (0, (), [[0, SIZE]]),
        (1, (), [[1, SIZE - 1]]),
        (SIZE - 1, (), [[SIZE - 1, 1]]),
        (SIZE, (), []),
        (5000, ((6000, 7000), (9000, 9100)), [[5000, 1000], [7000, 2000], [9100, SIZE - 9100]]),
        (0, ((100, 200),), [[0, 100], [200, SIZE - 200]]),
        (100, ((200, SIZE),), [[100, 100]]),
    ],
)
async def test_only_what_is_missing_is_fetched(kept: int, parts: Ranges, fetched: list[list[int]]) -> None:
    sink, origin, counts = Kept(kept, *parts), Origin(), list[int]()
    await blob(origin).copy_to(sink, counts.append)
    assert bytes(sink.content) == CONTENT
    assert origin.opened == fetched
    assert counts == sorted(counts)
    assert counts[-1] == SIZE
    assert sink.restarts == 0


@pytest.mark.parametrize(("kept", "parts"), [(5000, ()), (SIZE, ()), (0, ((100, 200),))])
async def test_wrong_bytes_of_an_earlier_run_are_fetched_again_and_no_server_is_blamed(kept: int, parts: Ranges) -> None:
    sink, origin = Kept(kept, *parts, wrong=True), Origin()
    await blob(origin).copy_to(sink, uncounted)
    assert bytes(sink.content) == CONTENT
    assert origin.opened[-1] == [0, SIZE]
    assert (sink.restarts, origin.restarts) == (1, 0)


async def test_what_cannot_be_read_back_is_fetched_again() -> None:
    sink, origin = Kept(5000, broken=True), Origin()
    await blob(origin).copy_to(sink, uncounted)
    assert bytes(sink.content) == CONTENT
    assert origin.opened == [[0, SIZE]]


async def test_an_answer_that_cannot_be_the_blob_says_nothing_about_what_was_kept() -> None:
    """An error page of a proxy, for example, in its place."""
    sink, origin = Kept(5000), Origin(error=InvalidContent)
    with pytest.raises(InvalidContent, match="these are other bytes"):
        await blob(origin).copy_to(sink, uncounted)
    assert (sink.kept, sink.restarts) == (5000, 0)


@pytest.mark.parametrize("content", [b"x" + CONTENT[1:], CONTENT[:-1], CONTENT + b"x"])
async def test_in_the_end_the_source_is_wrong(content: bytes) -> None:
    sink, origin = Kept(5000), Origin(content)
    if content[:1] == b"x":  # the part that was kept makes up for it
        await blob(origin).copy_to(sink, uncounted)
        assert bytes(sink.content) == CONTENT
        return
    with pytest.raises(ContentMismatch):
        await blob(origin).copy_to(sink, uncounted)
    assert [offset for offset, _ in origin.opened] == [5000, 0]
    assert origin.restarts == 1


def test_a_reader_that_skips() -> None:
    buffer = memoryview(bytearray(4))
    reader = SkippingReader(MemoryReader(b"0123456789"), 7)
    assert (reader.readinto(buffer), bytes(buffer[:3])) == (3, b"789")
    assert reader.readinto(buffer) == 0
    assert SkippingReader(MemoryReader(b"012"), 7).readinto(buffer) == 0


class Collecting(NullSink):
    """Takes the bytes in order, and may find the first ones wrong."""

    def __init__(self) -> None:
        self.content, self.restarts = bytearray(), 0

    def write(self, buffer: memoryview) -> None:
        self.content += buffer

    def restart(self) -> None:
        self.content.clear()
        self.restarts += 1


@pytest.mark.parametrize("sink", [Kept(0), Kept(4000), Kept(300, (1000, 2000), (5000, len(CONTENT)))], ids=["new", "some", "parts"])
async def test_another_sink_gets_all_in_order(sink: Kept) -> None:
    """Also what was kept: it is read back for that as well as for the digest."""
    also = Collecting()
    await blob(Origin()).copy_to(sink, uncounted, also=also)
    assert bytes(also.content) == CONTENT
    assert also.restarts == 0


async def test_another_sink_begins_anew_with_the_first() -> None:
    also = Collecting()
    await blob(Origin()).copy_to(Kept(4000, wrong=True), uncounted, also=also)
    assert bytes(also.content) == CONTENT
    assert also.restarts == 1
