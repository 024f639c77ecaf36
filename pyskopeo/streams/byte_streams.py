"""The two ends of a transfer: blocking readers and sinks of bytes, for worker threads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ..errors import InvalidContent

if TYPE_CHECKING:
    from ..model.change import Outcome


class ByteReader(Protocol):
    """A blocking source of bytes."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of ``buffer``; 0 at the end."""
        ...


class BlobReader(ByteReader, Protocol):
    """A `ByteReader` over a whole blob, for `pump`.

    ``is_document`` is set to True if the blob is read as a small document: its time is limited as that of one, where it
    comes from a server.
    """

    is_document: bool = False

    def restart(self, error: InvalidContent) -> bool:
        """After ``error`` in what was read: read from byte 0 again, from another place.

        False if there is no other place, which is the default.
        """
        return False

    def in_parts(self, sink: PartSink, offset: int, progress: Callable[[int], None]) -> PartReader | None:
        """Return a reader of the same bytes, from ``offset`` on, which may write some to ``sink`` before their turn.

        None if the bytes are only read in order, which is the default. ``progress`` is called in the thread that reads.
        """
        return None


class PartReader(BlobReader, Protocol):
    """A `BlobReader` whose bytes may be in a `PartSink` when they are read.

    ``sink`` is where the bytes are written that were read; it ignores those that are in the `PartSink`.
    """

    sink: BlobSink

    async def fetch_ahead(self) -> None:
        """Fetch bytes before their turn, while others are read; returns when there is nothing to gain."""
        ...


class SkippingReader(BlobReader):
    """Skips the first ``skip`` bytes of another reader."""

    def __init__(self, reader: ByteReader, skip: int) -> None:
        self._reader, self._skip = reader, skip

    def readinto(self, buffer: memoryview) -> int:
        while self._skip:
            count = self._reader.readinto(buffer[: min(len(buffer), self._skip)])
            if not count:
                return 0
            self._skip -= count
        return self._reader.readinto(buffer)


class ByteSink(Protocol):
    """A blocking destination of bytes; the buffer is reused after `write` returns.

    `write` raises `InvalidContent` for wrong bytes only, as a sink that decompresses does. Errors of the destination
    are of other types: for an `InvalidContent` the source is asked again, at another place.
    """

    def write(self, buffer: memoryview) -> None: ...


class BlobSink(ByteSink, Protocol):
    """A `ByteSink` for a whole blob, for `pump`."""

    def restart(self) -> None:
        """Forget what was written: it was wrong, and the blob follows from byte 0. Called by the thread that writes."""
        ...


class ChangingSink(BlobSink, Protocol):
    """A `BlobSink` that writes a layer to another sink and changes it on the way, its compression for example."""

    @property
    def outcome(self) -> Outcome:
        """After `finish`: the descriptor and the diff ID of the layer as it was written."""
        ...

    def finish(self) -> None:
        """Verify what was written and write what is still buffered; called once, by the thread that writes."""
        ...

    def close(self) -> None:
        """Release what is held; does nothing after `finish`."""
        ...


class PartSink(BlobSink):
    """A `BlobSink` over a regular file that may hold parts of the blob already, and takes others in any order.

    ``kept`` is the number of bytes at the beginning of the blob that were there when the sink was opened; `write`
    continues after them. ``parts`` are the ranges after them that were there, too: pairs of start and end in bytes, in
    order, not touching each other. None of these bytes have been verified. `restart` forgets them as well.

    `read_at`, `write_at` and `part_written` may be called from several threads at once; the other methods by one.
    """

    kept: int
    parts: tuple[tuple[int, int], ...]

    @abstractmethod
    def read_at(self, buffer: memoryview, offset: int) -> int:
        """Read bytes of the blob from ``offset`` on and return their number, 0 at the end; raises `StorageFailed`."""

    @abstractmethod
    def write_at(self, buffer: memoryview, offset: int) -> None:
        """Write all of ``buffer`` at ``offset`` of the blob, beyond the position of `write`; raises `StorageFailed`."""

    @abstractmethod
    def part_written(self, start: int, end: int) -> None:
        """Note, for a later run, that the bytes from ``start`` to ``end`` are written; raises `StorageFailed`."""

    @abstractmethod
    def skip_to(self, offset: int) -> None:
        """Let `write` continue at ``offset``: the bytes before it are there. Raises `StorageFailed`."""
