"""Read the headers of a tar archive: ustar and pax (POSIX.1-2001, pax), with GNU tar's long names and large sizes.

Every header is bounded, and reading takes time in proportion to the length of the headers. Archives that programs are
known to read in different ways are refused, because others would find other members in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import InvalidContent, StorageFailed, TooLarge
from ..fast_dataclass import dataclass
from ..streams.cancellation import check_cancelled

BLOCK = 512
_MOST_MEMBERS = 200_000
# Bytes of one extended header, as in Go's archive/tar, and of all of them in an archive.
_EXTENDED_LIMIT = 1024 * 1024
_ALL_EXTENDED_LIMIT = 64 * 1024 * 1024
_SIZE_LIMIT = 2**63

_ZEROS = bytes(BLOCK)
_CHECKSUM = slice(148, 156)
_REGULAR, _HARD_LINK, _SYMBOLIC_LINK, _DIRECTORY = b"0", b"1", b"2", b"5"
# Regular files: of today, of Unix version 7, and contiguous.
_REGULARS = (b"0", b"\0", b"7")
# Types without content, whatever size their headers state: links, devices, directories, FIFOs.
_HEADER_ONLY = (b"1", b"2", b"3", b"4", b"5", b"6")
_PAX, _GLOBAL_PAX, _LONG_NAME, _LONG_LINK, _GNU_SPARSE, _SOLARIS_PAX = b"x", b"g", b"L", b"K", b"S", b"X"
_SPARSE = b"GNU.sparse."


@dataclass(frozen=True, slots=True)
class TarEntry:
    """A member of an archive: ``size`` bytes of content from ``offset``, or a link to ``link``.

    ``sparse`` says that the content is stored without its holes.
    """

    name: str
    kind: bytes
    link: str
    offset: int
    size: int
    sparse: bool = False

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

    __slots__ = ("kinds", "link", "name", "size", "sparse")

    def __init__(self) -> None:
        self.kinds: list[bytes] = []
        self.name: bytes | None = None
        self.link: bytes | None = None
        self.size: int | None = None
        self.sparse = False


class TarEntries:
    """Iterates over the members of an uncompressed archive, in a regular file that is open as ``fd``.

    Raises `InvalidContent` if it is no tar archive, or is damaged or ambiguous; `TooLarge` for more than 200 000
    members, an extended header over 1 MiB, or over 64 MiB of them; `StorageFailed`, and `Cancelled`.
    """

    def __init__(self, fd: int, path: Path, grow: Callable[[int], int] | None = None) -> None:
        """``grow`` extends the file to a size in bytes, less if there is no more, and returns the size it has then."""
        self._fd, self._path = fd, path
        end = os.fstat(fd).st_size
        self._grow = grow or (lambda _: end)
        self._position = self._members = self._extended_bytes = 0
        self._extended = _Extended()

    def __iter__(self) -> Iterator[TarEntry]:
        while (block := self._next_header()) is not None:
            check_cancelled()
            kind = block[156:157]
            if kind in (_PAX, _LONG_NAME, _LONG_LINK):
                self._read_extended(kind, block)
            elif kind == _GLOBAL_PAX:
                self._read_global(block)
            elif kind == _SOLARIS_PAX:
                raise self._damaged("an extended header of Solaris, which is not supported")
            else:
                yield self._entry(kind, block)
        if self._extended.kinds:
            raise self._damaged("an extended header without a member")

    def _next_header(self) -> bytes | None:
        """Return the next header block, or None at the end of the archive."""
        block = self._read(BLOCK)
        if block == _ZEROS[: len(block)]:
            self._check_end(block)
            return None
        if len(block) < BLOCK or not is_header(block):
            if not self._position:
                raise InvalidContent(f"{self._path} is not a tar archive: it does not begin with a header")
            raise self._damaged("no header")
        self._position += BLOCK
        return block

    def _check_end(self, block: bytes) -> None:
        if not self._position and not block:
            raise InvalidContent(f"{self._path} is not a tar archive: it is empty")
        # Two blocks of zeros are the end. Some programs stop at one, others look for members after it.
        self._position += len(block)
        if any(self._read(BLOCK)):
            raise self._damaged("a block of zeros between members")

    def _entry(self, kind: bytes, block: bytes) -> TarEntry:
        """Return the member of a header, and move to the next header."""
        self._count_member()
        extended, self._extended = self._extended, _Extended()
        size = _number(block[124:136]) if extended.size is None else extended.size
        if size is None:
            raise self._damaged("a size that is no number")
        name = _text(_header_name(block) if extended.name is None else extended.name)
        if kind == b"\0" and name.endswith("/"):
            kind = _DIRECTORY
        link = ""
        if kind in (_HARD_LINK, _SYMBOLIC_LINK):
            link = _text(_string(block[157:257]) if extended.link is None else extended.link)
        offset = self._position
        if kind in _HEADER_ONLY:
            size = 0
        self._skip(size)
        sparse = extended.sparse or kind == _GNU_SPARSE
        return TarEntry(name, _REGULAR if kind in _REGULARS or sparse else kind, link, offset, size, sparse)

    def _read_extended(self, kind: bytes, block: bytes) -> None:
        extended = self._extended
        if kind in extended.kinds:
            # Of two, some programs take the first and others the last.
            raise self._damaged(f"two extended headers of type {kind.decode()} for one member")
        extended.kinds.append(kind)
        content = self._extended_content(block)
        if kind == _LONG_NAME:
            extended.name = self._same(extended.name, _string(content))
        elif kind == _LONG_LINK:
            extended.link = self._same(extended.link, _string(content))
        else:
            records = self._records(content)
            extended.name = self._same(extended.name, records.get(b"path", b""))
            extended.link = self._same(extended.link, records.get(b"linkpath", b""))
            if size := records.get(b"size", b""):
                if not size.isdigit() or len(size) > 19 or int(size) >= _SIZE_LIMIT:
                    raise self._damaged("a size that is no number")
                extended.size = int(size)
            extended.sparse = any(key.startswith(_SPARSE) for key in records)

    def _same(self, known: bytes | None, found: bytes) -> bytes | None:
        """Return the name that an extended header states, "" meaning none; raises if another one stated another."""
        if b"\0" in found:
            raise self._damaged("a name with a NUL in it")
        if known and found and known != found:
            raise self._damaged("two names for one member")
        return found or known

    def _read_global(self, block: bytes) -> None:
        """Check an extended header for all members after it. None of what it may state matters here."""
        self._count_member()
        if self._extended.kinds:
            raise self._damaged("a global header between a member and its extended header")
        if self._records(self._extended_content(block)):
            # POSIX applies these to all members after it, Go's archive/tar to none.
            raise self._damaged("a global header with a name or a size")

    def _extended_content(self, block: bytes) -> bytes:
        size = _number(block[124:136])
        if size is None:
            raise self._damaged("a size that is no number")
        if size > _EXTENDED_LIMIT:
            raise TooLarge(
                f"{self._path}: the extended header at byte {self._position - BLOCK} is over the limit of "
                f"{_EXTENDED_LIMIT} bytes",
                limit=_EXTENDED_LIMIT,
            )
        self._extended_bytes += size
        if self._extended_bytes > _ALL_EXTENDED_LIMIT:
            raise TooLarge(
                f"{self._path}: its extended headers are over the limit of {_ALL_EXTENDED_LIMIT} bytes in all",
                limit=_ALL_EXTENDED_LIMIT,
            )
        content = self._read(size)
        self._skip(size)
        return content

    def _records(self, content: bytes) -> dict[bytes, bytes]:
        try:
            return parse_records(content)
        except ValueError as error:
            raise self._damaged(str(error)) from None

    def _count_member(self) -> None:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise TooLarge(f"{self._path} has over {_MOST_MEMBERS} members", limit=_MOST_MEMBERS)

    def _skip(self, size: int) -> None:
        """Move beyond content of ``size`` bytes and its padding."""
        end = self._position + padded_size(size)
        if end > self._grow(end):
            raise self._damaged("unexpected end of data")
        self._position = end

    def _read(self, size: int) -> bytes:
        self._grow(self._position + size)
        try:
            return os.pread(self._fd, size, self._position)
        except OSError as error:
            raise StorageFailed.of(error, f"reading {self._path}") from error

    def _damaged(self, reason: str) -> InvalidContent:
        return InvalidContent(f"{self._path} is a damaged tar archive: {reason} at byte {self._position}")


def padded_size(size: int) -> int:
    """Return the number of bytes that content of ``size`` bytes takes in an archive: a multiple of 512."""
    return size + -size % BLOCK


def is_header(block: bytes) -> bool:
    """Return whether a block of 512 bytes has the checksum of a header: of unsigned bytes, or of signed ones.

    Some old programs add up signed bytes.
    """
    stated = _number(block[_CHECKSUM])
    unsigned = sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" ")
    if unsigned == stated:
        return True
    counted = block[: _CHECKSUM.start] + block[_CHECKSUM.stop :]
    return unsigned - 256 * sum(byte > 127 for byte in counted) == stated


def parse_records(content: bytes) -> dict[bytes, bytes]:
    """Parse the records ``length key=value`` of a pax extended header, in linear time (POSIX.1-2001, pax).

    Returns those about names, sizes and sparse files that have a value; of two with the same key the last one counts.
    Raises `ValueError`.
    """
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(content):
        if not content[position] and not any(content[position:]):
            break  # padding
        space = content.find(b" ", position, position + 8)  # no more digits in a header of 1 MiB
        digits = content[position:space] if space > 0 else b""
        if not digits.isdigit():
            raise ValueError("a pax record without a length")
        end = position + int(digits)
        record = content[space + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(content) or not record.endswith(b"\n") or not equals or not key:
            raise ValueError("a pax record of another length than it states")
        if key in (b"path", b"linkpath", b"size") or key.startswith(_SPARSE):
            records[key] = value
        position = end
    return {key: value for key, value in records.items() if value}


def _number(field: bytes) -> int | None:
    """Return the number in a field: octal digits, or base 256 as GNU tar has it; None if it is neither, or negative."""
    if field[0] & 0x80:
        return None if field[0] & 0x40 else int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
    digits = field.strip(b" \0")
    # Of digits after a NUL, programs disagree whether they count.
    if not digits:
        return 0
    if not digits.isdigit() or not field[0]:
        return None
    try:
        return int(digits, 8)
    except ValueError:
        return None


def _header_name(block: bytes) -> bytes:
    name = _string(block[:100])
    # Only POSIX has a prefix; GNU tar keeps times in this place.
    if block[257:263] != b"ustar\0":
        return name
    prefix = _string(block[345:476] if block[508:] == b"tar\0" else block[345:500])
    return prefix + b"/" + name if prefix else name


def _string(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
