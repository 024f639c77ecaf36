"""Reads a layer's archive while it is written to: collects its entries, and passes on the contents that are wanted."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from ..errors import TooLarge
from ..model.digest import new_hasher
from ..storage.tar_fields import padded_size
from ..storage.tar_headers import TarEntry, TarParser
from ..streams.cancellation import check_cancelled
from .entry import Entry, Kind, Whiteout, read_member
from .overlay import LayerEntries

if TYPE_CHECKING:
    from _hashlib import HASH

    from .contents import ContentDirectory, ContentFile

# All layers of an image together: entries, each of which needs up to 500 bytes of memory, and bytes of their names.
_MOST_ENTRIES = 1_000_000
_MOST_BYTES = 128 * 1024 * 1024
_COUNTED_EACH = 1000
_EXTENDED_LIMIT = 256 * 1024 * 1024


class EntryTotal:
    """Counts the entries of all layers of an image and the bytes of their names, from any thread."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, int]] = {}
        self._lock = Lock()

    def count(self, layer: int, entries: int, size: int) -> None:
        """Record what a layer has so far; raises `TooLarge`."""
        with self._lock:
            self._counts[layer] = entries, size
            totals = [sum(counts) for counts in zip(*self._counts.values(), strict=True)]
        for total, limit, what in zip(totals, (_MOST_ENTRIES, _MOST_BYTES), ("files", "bytes of names"), strict=True):
            if total > limit:
                raise TooLarge(f"the layers of this image have over {limit} {what}: refused", limit=limit)


class LayerSink:
    """A `BlobSink` for the decompressed archive of one layer, the layer ``number``; ``where`` names it in errors.

    ``wanted`` says which files' contents go into ``contents``, by their entries; it is asked about all of them, in
    order. Without ``contents`` it is asked, too, but none are kept. With ``hashed`` the entries of regular files get
    `Entry.content`. Call `finish` after the last byte.
    """

    def __init__(
        self, number: int, where: str, total: EntryTotal,
        wanted: Callable[[Entry], bool], contents: ContentDirectory | None = None, *, hashed: bool = False,
    ) -> None:  # fmt: skip
        self._number, self._where, self._total = number, where, total
        self._wanted, self._contents, self._hashed = wanted, contents, hashed
        self._file: ContentFile | None = None
        self._begin()

    def _begin(self) -> None:
        self.layer = LayerEntries(self._number)
        self._members = self._name_bytes = 0
        self._parser = TarParser(self._where, most_members=_MOST_ENTRIES, extended_limit=_EXTENDED_LIMIT)
        self._events = self._parser.events()
        self._received = bytearray()
        # What follows: bytes that the parser wants, or a member's content and then padding.
        self._asked: int = next_size(next(self._events))
        self._content = self._padding = 0
        self._started = self._ended = False
        self._hasher: HASH | None = None

    def restart(self) -> None:
        """Forget the layer: it follows again from its first byte."""
        self.close()
        if self._contents is not None:
            self._contents.forget(self._number)
        self._begin()

    def close(self) -> None:
        """Close the file that is being written, if any."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, buffer: memoryview) -> None:
        """Take the next bytes; raises `InvalidContent`, `TooLarge`, `StorageFailed` and `Cancelled`."""
        self._started = self._started or len(buffer) > 0
        while len(buffer) and not self._ended:
            if self._content:
                buffer = self._write_content(buffer)
            elif self._padding:
                count = min(self._padding, len(buffer))
                self._padding -= count
                buffer = buffer[count:]
                if not self._padding:
                    self._answer(b"")
            else:
                count = self._asked - len(self._received)
                self._received += buffer[:count]
                buffer = buffer[count:]
                if len(self._received) == self._asked:
                    self._answer(self._take())

    def finish(self) -> None:
        """Check that the archive is complete, and count the rest; raises as `write` does."""
        if self._content or self._padding:
            raise self._parser.damaged("unexpected end of data")
        while self._started and not self._ended:
            self._answer(self._take())
        self._count()

    def _take(self) -> bytes:
        received, self._received = bytes(self._received), bytearray()
        return received

    def _write_content(self, buffer: memoryview) -> memoryview:
        count = min(self._content, len(buffer))
        if self._file is not None:
            self._file.write(buffer[:count])
        if self._hasher is not None:
            self._hasher.update(buffer[:count])
        self._content -= count
        if not self._content:
            self._finish_file()
            if not self._padding:
                self._answer(b"")
        return buffer[count:]

    def _finish_file(self) -> None:
        if self._file is not None:
            self._file.finish()
            self._file = None
        if self._hasher is not None:
            entries = self.layer.entries
            entries[-1] = entries[-1]._replace(content=self._hasher.digest())
            self._hasher = None

    def _answer(self, answer: bytes) -> None:
        """Let the parser go on, up to the next bytes that it or a file needs."""
        try:
            event = self._events.send(answer)
            while isinstance(event, TarEntry) and not self._add(event):
                event = self._events.send(b"")
        except StopIteration:
            self._ended = True
            return
        if not isinstance(event, TarEntry):
            self._asked = event

    def _add(self, member: TarEntry) -> bool:
        """Take a member; return whether content follows."""
        check_cancelled()
        found = read_member(member, self._number, self._members, self._where)
        self._members += 1
        self._name_bytes += len(member.name) + len(member.link)
        if self._members % _COUNTED_EACH == 0:
            self._count()
        if isinstance(found, Whiteout):
            self.layer.whiteouts.append(found)
        elif found is not None:
            self.layer.entries.append(found)
            if self._hashed and found.kind is Kind.FILE:
                self._hasher = new_hasher("sha256")
            if self._wanted(found) and found.kind is Kind.FILE and self._contents is not None:
                self._file = self._contents.keep(found)
        self._content, self._padding = member.size, padded_size(member.size) - member.size
        if not member.size:
            self._finish_file()
        return member.size > 0

    def _count(self) -> None:
        self._total.count(self._number, self._members, self._name_bytes)


def next_size(event: int | TarEntry) -> int:
    """Return the number of bytes that a parser wants first."""
    assert isinstance(event, int)
    return event
