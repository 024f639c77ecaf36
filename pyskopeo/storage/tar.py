"""Tar archives (POSIX.1-2001 ustar and pax): an index for reading members in place, and a deterministic writer."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path

from ..errors import InvalidContent, NotFound, StorageFailed, TooLarge
from ..fast_dataclass import dataclass
from ..streams.byte_streams import ByteSink
from ..streams.cancellation import check_cancelled
from ..streams.locations import LocalFile
from ..streams.pump import BUFFER_SIZE, thread_buffer
from .archive_output import PipeSink, sink_for
from .files import append_in_kernel, read_range, storage_errors
from .tar_encoding import header, padding
from .tar_fields import BLOCK
from .tar_headers import TarEntries, TarEntry

_MOST_LINKS = 32


@dataclass(frozen=True, slots=True)
class Member:
    """The content of a regular file in an archive: ``size`` bytes from ``offset``."""

    offset: int
    size: int


class TarIndex:
    """The members of an uncompressed tar file, by name; nothing is ever extracted.

    ``path`` is the file, ``name`` the user's name of it, for errors. The values of ``members`` are the content of
    regular files, and the targets, as member names, of links; None for members of the same name with different content.
    """

    def __init__(self, path: Path, name: Path, members: dict[str, Member | str | None]) -> None:
        self.path, self.name = path, name
        self._members = members

    @classmethod
    def read(cls, path: Path, name: Path | None = None, *, incomplete: bool = False) -> TarIndex:
        """Read all headers of an archive; for a worker thread. ``name`` is ``path`` by default.

        With ``incomplete``, an archive that is damaged has the members before the damage.

        Raises `InvalidContent` if it is no tar archive, damaged, or has a sparse member; `TooLarge` for more than
        200 000 members or headers that are too long; `StorageFailed`, and `Cancelled`.
        """
        name = name or path
        members: dict[str, Member | str | None] = {}
        with storage_errors(f"reading {path}"):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for entry in TarEntries(fd, name):
                if (member := _member(entry, name)) is None:
                    continue
                key = _normalize(entry.name)
                known = members.setdefault(key, member)
                if known is not member and not (known and _is_repeated(known, member, fd, name)):
                    members[key] = None
        except InvalidContent:
            if not incomplete:
                raise
        finally:
            os.close(fd)
        return cls(path, name, members)

    def find(self, name: str) -> Member:
        """Return a regular file by name, following links inside the archive.

        Raises `NotFound`, and `InvalidContent` for more than 32 links in a row and for a name that several members
        have with different content, since programs differ in which of them they take.
        """
        current = _normalize(name)
        for _ in range(_MOST_LINKS):
            found = self._members.get(current, "")
            if isinstance(found, Member):
                return found
            if found is None:
                raise InvalidContent(
                    f"{self.name}: {ascii(current)[:200]} is in this archive more than once, with different content"
                )
            if not found:
                raise NotFound(f"{self.name}: no {ascii(name)[:200]} in this archive")
            current = found
        raise InvalidContent(f"{self.name}: links lead in a circle at {ascii(name)[:200]}")

    def __contains__(self, name: str) -> bool:
        return _normalize(name) in self._members

    @property
    def names(self) -> Iterable[str]:
        """The names of all files and links, without ``./``."""
        return self._members.keys()

    def size_of(self, name: str) -> int:
        """Return the size in bytes of a member's content; 0 for one that `find` does not find."""
        try:
            return self.find(name).size
        except (NotFound, InvalidContent):
            return 0

    def locate(self, name: str) -> LocalFile:
        """Return the location of a member's content; raises as `find` does."""
        member = self.find(name)
        return LocalFile(self.path, member.offset, member.size)

    def content(self, name: str, limit: int) -> bytes:
        """Return a member's content; raises `TooLarge` over ``limit`` bytes, `StorageFailed`, and as `find` does."""
        member = self.find(name)
        if member.size > limit:
            raise TooLarge(f"{self.name}: {ascii(name)[:100]} is over the limit of {limit} bytes", limit=limit)
        return read_range(self.path, member.offset, member.size)


def _member(entry: TarEntry, path: Path) -> Member | str | None:
    """Return the value in a `TarIndex` of an archive called ``path``; None for a directory or a device."""
    if entry.is_file:
        if entry.sparse:
            raise InvalidContent(f"{path}: sparse member {ascii(entry.name)[:100]} is not supported")
        return Member(entry.offset, entry.size)
    if entry.is_symbolic_link:
        return _normalize(posixpath.join(posixpath.dirname(_normalize(entry.name)), entry.link))
    return _normalize(entry.link) if entry.is_hard_link else None


def _is_repeated(known: Member | str, member: Member | str, fd: int, path: Path) -> bool:
    """Return whether two members of one name are the same, as where several images with common layers were saved.

    ``fd`` is the archive, called ``path``.
    """
    if isinstance(known, str) or isinstance(member, str):
        return known == member
    if known.size != member.size:
        return False
    with storage_errors(f"reading {path}"):
        for done in range(0, known.size, BUFFER_SIZE):
            check_cancelled()
            count = min(BUFFER_SIZE, known.size - done)
            if os.pread(fd, count, known.offset + done) != os.pread(fd, count, member.offset + done):
                return False
    return True


def _normalize(name: str) -> str:
    """Return a member's name without ``./`` and with ``..`` resolved; used as a key, never as a path on disk."""
    return posixpath.normpath("/" + name).lstrip("/")


class TarWriter:
    """Writes the members of an archive one after another; the same calls write the same bytes.

    Modification times and owners are zero, owner names empty. Headers are ustar, with a pax extended header for a size
    from 8 GiB or a name over 100 bytes or not ASCII, as Go's archive/tar writes them. ``position`` is the number of
    bytes written. Every method raises `StorageFailed`.
    """

    def __init__(self, sink: ByteSink, path: Path, *, file: int = -1, out_of_order: bool = False) -> None:
        """``path`` is named in errors; ``file`` is the descriptor of the regular file that ``sink`` writes to, if any.

        ``out_of_order`` says that the file was empty and has no other writers, so that the content of a member may be
        written to it before the members in front of it, for `add_written`.
        """
        self._sink, self.path, self.file, self.out_of_order = sink, path, file, out_of_order
        self._can_append_in_kernel = file >= 0
        self.position = 0

    @classmethod
    def to(cls, fd: int, path: Path, *, out_of_order: bool = False) -> TarWriter:
        """Return a writer for an open file descriptor, of a file or a pipe."""
        sink = sink_for(fd, path)
        return cls(sink, path) if isinstance(sink, PipeSink) else cls(sink, path, file=fd, out_of_order=out_of_order)

    def add_directory(self, name: str) -> None:
        """Write a directory, with mode 0755."""
        self._write(header(name.rstrip("/") + "/", mode=0o755, kind=b"5"))

    def add_bytes(self, name: str, content: bytes, mode: int) -> None:
        """Write a regular file with the given content."""
        self._write(header(name, mode=mode, size=len(content)) + content + padding(len(content)))

    def add_symlink(self, name: str, target: str) -> None:
        """Write a symbolic link."""
        self._write(header(name, mode=0, kind=b"2", link=target))

    def add_file(self, name: str, source: Path, size: int, mode: int) -> None:
        """Write a regular file with the first ``size`` bytes of ``source``, copied inside the kernel where possible.

        Raises `StorageFailed` if the source is shorter, and `Cancelled`.
        """
        self.add_member(header(name, mode=mode, size=size), source, size)

    def add_range(self, name: str, source: Path, offset: int, size: int, mode: int) -> None:
        """Write a regular file with ``size`` bytes at ``offset`` of ``source``; see `add_file`."""
        self.add_member(header(name, mode=mode, size=size), source, size, offset)

    def add_member(self, head: bytes, source: Path, size: int, offset: int = 0) -> None:
        """Write a member with a header of its own; see `add_file` and `add_range` for the rest."""
        self._write(head)
        with storage_errors(f"reading {source}"):
            fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._append_file(fd, source, size, offset)
        finally:
            os.close(fd)
        self._write(padding(size))

    def add_written(self, name: str, size: int, mode: int) -> None:
        """Write the header of a regular file whose content, ``size`` bytes, is in the archive already, after it."""
        self._write(header(name, mode=mode, size=size))
        with storage_errors(f"writing {self.path}"):
            os.lseek(self.file, size, os.SEEK_CUR)
        self.position += size
        self._write(padding(size))

    def add_header(self, head: bytes) -> None:
        """Write a member that has no content, with a header of its own."""
        self._write(head)

    def finish(self) -> None:
        """Write the end of the archive, two blocks of zeros."""
        self._write(bytes(2 * BLOCK))
        if self.out_of_order:
            with storage_errors(f"writing {self.path}"):
                os.ftruncate(self.file, self.position)  # content written out of order may have been abandoned

    def _write(self, content: bytes) -> None:
        self._sink.write(memoryview(content))
        self.position += len(content)

    def _append_file(self, source: int, path: Path, size: int, offset: int = 0) -> None:
        done = 0
        while done < size:
            check_cancelled()
            with storage_errors(f"writing {self.path}"):
                count = self._append_some(source, offset + done, size - done)
            if not count:
                raise StorageFailed(f"{path} became shorter while it was read")
            done += count
            self.position += count

    def _append_some(self, source: int, offset: int, count: int) -> int:
        """Append up to ``count`` bytes at ``offset`` of a file; returns the number of bytes, 0 at its end."""
        if self._can_append_in_kernel:
            appended = append_in_kernel(self.file, source, offset, count)
            if appended is not None:
                return appended
            self._can_append_in_kernel = False
        buffer = thread_buffer()
        count = os.preadv(source, [buffer[: min(len(buffer), count)]], offset)
        self._sink.write(buffer[:count])
        return count
