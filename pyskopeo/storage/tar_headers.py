"""Read the headers of a tar archive: ustar and pax (POSIX.1-2001, pax), with GNU tar's long names and large sizes.

Every header is bounded, and reading takes time in proportion to the length of the headers. Archives that programs are
known to read in different ways are refused, because others would find other members in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TypeAlias

from ..errors import InvalidContent, StorageFailed, TooLarge
from ..fast_dataclass import dataclass
from ..streams.cancellation import check_cancelled
from .tar_fields import (
    BLOCK,
    SPARSE,
    header_name,
    is_header,
    number,
    padded_size,
    parse_records,
    states_names,
    string,
    text,
)

MOST_MEMBERS = 200_000
"""The number of members of an archive that is read."""
# Bytes of one extended header, as in Go's archive/tar, and of all of them in an archive.
_EXTENDED_LIMIT = 1024 * 1024
_ALL_EXTENDED_LIMIT = 64 * 1024 * 1024
_SIZE_LIMIT = 2**63

_ZEROS = bytes(BLOCK)
_REGULAR, _HARD_LINK, _SYMBOLIC_LINK, _DIRECTORY = b"0", b"1", b"2", b"5"
# Regular files: of today, of Unix version 7, and contiguous.
_REGULARS = (b"0", b"\0", b"7")
# Types without content, whatever size their headers state: links, devices, directories, FIFOs.
_HEADER_ONLY = (b"1", b"2", b"3", b"4", b"5", b"6")
_PAX, _GLOBAL_PAX, _LONG_NAME, _LONG_LINK, _GNU_SPARSE, _SOLARIS_PAX = b"x", b"g", b"L", b"K", b"S", b"X"


@dataclass(frozen=True, slots=True)
class TarEntry:
    """A member of an archive: ``size`` bytes of content from ``offset``, or a link to ``link``.

    ``sparse`` says that the content is stored without its holes. ``header`` is the header block, and ``records`` are
    those of the pax extended header, which say more about the file: see `parse_records`.
    """

    name: str
    kind: bytes
    link: str
    offset: int
    size: int
    sparse: bool = False
    header: bytes = field(default=b"", repr=False)
    records: Mapping[bytes, bytes] = field(default_factory=dict, hash=False, repr=False)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.kind == _REGULAR

    @property
    def is_symbolic_link(self) -> bool:
        """Whether ``link`` is relative to the directory of the member."""
        return self.kind == _SYMBOLIC_LINK

    @property
    def is_hard_link(self) -> bool:
        """Whether ``link`` is the name of another member."""
        return self.kind == _HARD_LINK


class _Extended:
    """What the extended headers before a member say about it; None for what they leave to its own header."""

    __slots__ = ("kinds", "link", "name", "records", "size", "sparse")

    def __init__(self) -> None:
        self.kinds: list[bytes] = []
        self.name: bytes | None = None
        self.link: bytes | None = None
        self.size: int | None = None
        self.sparse = False
        self.records: dict[bytes, bytes] = {}


Events: TypeAlias = Generator[int | TarEntry, bytes, None]
"""What `TarParser.events` returns."""


class TarEntries:
    """Iterates over the members of an uncompressed archive, in a regular file that is open as ``fd``.

    Raises as `TarParser` does, `StorageFailed`, and `Cancelled`.
    """

    def __init__(self, fd: int, path: Path, grow: Callable[[int], int] | None = None) -> None:
        """``grow`` extends the file to a size in bytes, less if there is no more, and returns the size it has then."""
        self._fd, self._path = fd, path
        end = os.fstat(fd).st_size
        self._grow = grow or (lambda _: end)

    def __iter__(self) -> Iterator[TarEntry]:
        parser = TarParser(str(self._path))
        events, answer = parser.events(), b""
        try:
            event = next(events)
            while True:
                check_cancelled()
                if isinstance(event, TarEntry):
                    end = event.offset + padded_size(event.size)
                    if end > self._grow(end):
                        raise parser.damaged("unexpected end of data")
                    yield event
                    answer = b""
                else:
                    answer = self._read(event, parser.position)
                event = events.send(answer)
        except StopIteration:
            return

    def _read(self, size: int, position: int) -> bytes:
        self._grow(position + size)
        try:
            return os.pread(self._fd, size, position)
        except OSError as error:
            raise StorageFailed.of(error, f"reading {self._path}") from error


class TarParser:
    """Finds the members of an archive, called ``name`` in errors; without I/O.

    ``position`` is the offset of what `events` asks for. ``most_members`` is the maximum number of members and
    ``extended_limit`` that of the bytes of all extended headers; None: 200 000, and 64 MiB.
    """

    def __init__(
        self, name: str, *, most_members: int | None = None, extended_limit: int | None = None
    ) -> None:  # fmt: skip
        self._name = name
        self._most_members = MOST_MEMBERS if most_members is None else most_members
        self._extended_limit = _ALL_EXTENDED_LIMIT if extended_limit is None else extended_limit
        self.position = self._members = self._extended_bytes = 0
        self._extended = _Extended()

    def events(self) -> Events:
        """Yield a number of bytes to be sent, fewer only at the end of the data, or a member.

        Its content and the padding after it, see `padded_size`, is passed over before an empty answer is sent. Raises
        `InvalidContent` if it is no tar archive, or is damaged or ambiguous; `TooLarge` for too many members, an
        extended header over 1 MiB, or too much of them.
        """
        while (block := (yield from self._next_header())) is not None:
            kind = block[156:157]
            if kind in (_PAX, _LONG_NAME, _LONG_LINK):
                yield from self._read_extended(kind, block)
            elif kind == _GLOBAL_PAX:
                yield from self._read_global(block)
            elif kind == _SOLARIS_PAX:
                raise self.damaged("an extended header of Solaris, which is not supported")
            else:
                entry = self._entry(kind, block)
                yield entry
                self.position += padded_size(entry.size)
        if self._extended.kinds:
            raise self.damaged("an extended header without a member")

    def damaged(self, reason: str) -> InvalidContent:
        """Return the error for an archive that is damaged at the current position."""
        return InvalidContent(f"{self._name} is a damaged tar archive: {reason} at byte {self.position}")

    def _next_header(self) -> Generator[int | TarEntry, bytes, bytes | None]:
        """Return the next header block, or None at the end of the archive."""
        block = yield BLOCK
        if block == _ZEROS[: len(block)]:
            yield from self._check_end(block)
            return None
        if len(block) < BLOCK or not is_header(block):
            if not self.position:
                raise InvalidContent(f"{self._name} is not a tar archive: it does not begin with a header")
            raise self.damaged("no header")
        self.position += BLOCK
        return block

    def _check_end(self, block: bytes) -> Events:
        if not self.position and not block:
            raise InvalidContent(f"{self._name} is not a tar archive: it is empty")
        # Two blocks of zeros are the end. Some programs stop at one, others look for members after it.
        self.position += len(block)
        if any((yield BLOCK)):
            raise self.damaged("a block of zeros between members")

    def _entry(self, kind: bytes, block: bytes) -> TarEntry:
        """Return the member of a header."""
        self._count_member()
        extended, self._extended = self._extended, _Extended()
        size = number(block[124:136]) if extended.size is None else extended.size
        if size is None:
            raise self.damaged("a size that is no number")
        name = text(header_name(block) if extended.name is None else extended.name)
        if kind == b"\0" and name.endswith("/"):
            kind = _DIRECTORY
        link = ""
        if kind in (_HARD_LINK, _SYMBOLIC_LINK):
            link = text(string(block[157:257]) if extended.link is None else extended.link)
        offset = self.position
        if kind in _HEADER_ONLY:
            size = 0
        sparse = extended.sparse or kind == _GNU_SPARSE
        kind = _REGULAR if kind in _REGULARS or sparse else kind
        return TarEntry(name, kind, link, offset, size, sparse, block, extended.records)

    def _read_extended(self, kind: bytes, block: bytes) -> Events:
        extended = self._extended
        if kind in extended.kinds:
            # Of two, some programs take the first and others the last.
            raise self.damaged(f"two extended headers of type {kind.decode()} for one member")
        extended.kinds.append(kind)
        content = yield from self._extended_content(block)
        if kind == _LONG_NAME:
            extended.name = self._same(extended.name, string(content))
        elif kind == _LONG_LINK:
            extended.link = self._same(extended.link, string(content))
        else:
            records = extended.records = self._records(content)
            extended.name = self._same(extended.name, records.get(b"path", b""))
            extended.link = self._same(extended.link, records.get(b"linkpath", b""))
            if size := records.get(b"size", b""):
                if not size.isdigit() or len(size) > 19 or int(size) >= _SIZE_LIMIT:
                    raise self.damaged("a size that is no number")
                extended.size = int(size)
            extended.sparse = any(key.startswith(SPARSE) for key in records)

    def _same(self, known: bytes | None, found: bytes) -> bytes | None:
        """Return the name that an extended header states, "" meaning none; raises if another one stated another."""
        if b"\0" in found:
            raise self.damaged("a name with a NUL in it")
        if known and found and known != found:
            raise self.damaged("two names for one member")
        return found or known

    def _read_global(self, block: bytes) -> Events:
        """Check an extended header for all members after it. None of what it may state matters here."""
        self._count_member()
        if self._extended.kinds:
            raise self.damaged("a global header between a member and its extended header")
        if states_names(self._records((yield from self._extended_content(block)))):
            # POSIX applies these to all members after it, Go's archive/tar to none.
            raise self.damaged("a global header with a name or a size")

    def _extended_content(self, block: bytes) -> Generator[int | TarEntry, bytes, bytes]:
        size = number(block[124:136])
        if size is None:
            raise self.damaged("a size that is no number")
        if size > _EXTENDED_LIMIT:
            raise TooLarge(
                f"{self._name}: the extended header at byte {self.position - BLOCK} is over the limit of "
                f"{_EXTENDED_LIMIT} bytes",
                limit=_EXTENDED_LIMIT,
            )
        self._extended_bytes += size
        if self._extended_bytes > self._extended_limit:
            raise TooLarge(
                f"{self._name}: its extended headers are over the limit of {self._extended_limit} bytes in all",
                limit=self._extended_limit,
            )
        content = (yield padded_size(size)) if size else b""
        if len(content) < padded_size(size):
            raise self.damaged("unexpected end of data")
        self.position += padded_size(size)
        return content[:size]

    def _records(self, content: bytes) -> dict[bytes, bytes]:
        try:
            return parse_records(content)
        except ValueError as error:
            raise self.damaged(str(error)) from None

    def _count_member(self) -> None:
        self._members += 1
        if self._members > self._most_members:
            raise TooLarge(f"{self._name} has over {self._most_members} members", limit=self._most_members)
