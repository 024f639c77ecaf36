"""Tar: an index of where each member lies, for reading in place; a deterministic writer."""

from __future__ import annotations

import os
import posixpath
import tarfile
from pathlib import Path

from ..errors import InvalidContent, NotFound, StorageFailed, TooLarge
from ..fast_dataclass import dataclass
from ..streams.cancellation import check_cancelled
from ..streams.locations import LocalFile
from ..streams.pump import ByteSink, thread_buffer
from .archive_output import PipeSink, sink_for
from .files import read_range, send_some, storage_errors

BLOCK = 512
_MOST_MEMBERS = 200_000
_MOST_LINKS = 32
_OCTAL_LIMIT = 8**11
_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Member:
    """Where a regular file's bytes lie in an archive."""

    offset: int
    size: int


class TarIndex:
    """The members of an uncompressed tar file by name; nothing is ever extracted."""

    def __init__(self, path: Path, members: dict[str, Member | str]) -> None:
        self.path = path
        self._members = members

    @classmethod
    def read(cls, path: Path) -> TarIndex:
        """Index the archive, header by header; raises `InvalidContent` if it is not one."""
        members: dict[str, Member | str] = {}
        try:
            with tarfile.open(path, "r:") as archive:
                for info in archive:
                    _add(members, info, path)
                    if len(members) > _MOST_MEMBERS:
                        raise TooLarge(f"{path} has over {_MOST_MEMBERS} members", limit=_MOST_MEMBERS)
                    # tarfile remembers every header; only the offsets are wanted.
                    archive.members = []  # type: ignore[attr-defined]
                _check_end(archive, path)
        except tarfile.TarError as error:
            raise InvalidContent(f"{path} is not a tar archive: {error}") from error
        except (ValueError, OverflowError, EOFError) as error:
            raise InvalidContent(f"{path} is a damaged tar archive: {error}") from error
        except OSError as error:
            raise StorageFailed.of(error, f"reading {path}") from error
        return cls(path, members)

    def find(self, name: str) -> Member:
        """A regular file, links inside the archive followed; raises `NotFound`, `InvalidContent`."""
        current = _normal(name)
        for _ in range(_MOST_LINKS):
            found = self._members.get(current)
            if isinstance(found, Member):
                return found
            if found is None:
                raise NotFound(f"{self.path}: no {ascii(name)[:200]} in this archive")
            current = _normal(found)
        raise InvalidContent(f"{self.path}: links lead in a circle at {ascii(name)[:200]}")

    def __contains__(self, name: str) -> bool:
        return _normal(name) in self._members

    def locate(self, name: str) -> LocalFile:
        """Where the bytes of a member are."""
        member = self.find(name)
        return LocalFile(self.path, member.offset, member.size)

    def content(self, name: str, limit: int) -> bytes:
        """A small member's bytes; raises `TooLarge` over ``limit``."""
        member = self.find(name)
        if member.size > limit:
            raise TooLarge(f"{self.path}: {ascii(name)[:100]} is over the limit of {limit} bytes", limit=limit)
        return read_range(self.path, member.offset, member.size)


def _check_end(archive: tarfile.TarFile, path: Path) -> None:
    """For tarfile, what it does not understand ends an archive as well as blocks of zeros do."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(BLOCK).strip(b"\0"):
        raise InvalidContent(f"{path} is a damaged tar archive: no header at byte {archive.offset}")


def _add(members: dict[str, Member | str], info: tarfile.TarInfo, path: Path) -> None:
    name = _normal(info.name)
    if info.size < 0:
        # Taken at its word, it would lead back to where we were.
        raise InvalidContent(f"{path} is a damaged tar archive: a member of {info.size} bytes")
    if info.isreg():
        if info.sparse is not None:
            raise InvalidContent(f"{path}: sparse member {ascii(name)[:100]} is not supported")
        members[name] = Member(info.offset_data, info.size)
    elif info.issym():
        members[name] = posixpath.join(posixpath.dirname(name), info.linkname)
    elif info.islnk():
        members[name] = info.linkname


def _normal(name: str) -> str:
    """A member's name without ``./``, ``..`` resolved inside the archive; only a key, never a path."""
    return posixpath.normpath("/" + name).lstrip("/")


class TarWriter:
    """Writes members one after another; the same calls give the same bytes.

    Modification times, owners and names are zero or empty; headers are USTAR, with a PAX record
    for a size over 8 GiB or a name over 100 bytes, as Go's archive/tar writes them.
    """

    def __init__(self, sink: ByteSink, path: Path, *, file: int = -1, ahead: bool = False) -> None:
        """``path`` is for errors; ``file`` the descriptor of a regular file that ``sink`` writes to, if it does.

        With ``ahead`` that file is ours alone and was empty: members may be written where they will
        be before what comes before them, for `place`.
        """
        self._sink, self.path, self.file, self.ahead = sink, path, file, ahead
        self._sends = file >= 0
        self.position = 0

    @classmethod
    def to(cls, fd: int, path: Path, *, ahead: bool = False) -> TarWriter:
        """An archive into a file or a pipe."""
        sink = sink_for(fd, path)
        return cls(sink, path) if isinstance(sink, PipeSink) else cls(sink, path, file=fd, ahead=ahead)

    def add_directory(self, name: str) -> None:
        self._put(header(name.rstrip("/") + "/", mode=0o755, kind=b"5"))

    def add_bytes(self, name: str, content: bytes, mode: int) -> None:
        self._put(header(name, mode=mode, size=len(content)) + content + _padding(len(content)))

    def add_symlink(self, name: str, target: str) -> None:
        self._put(header(name, mode=0, kind=b"2", link=target))

    def add_file(self, name: str, source: Path, size: int, mode: int) -> None:
        """A file of exactly ``size`` bytes, moved inside the kernel where it can be."""
        self._put(header(name, mode=mode, size=size))
        with storage_errors(f"reading {source}"):
            fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._append(fd, source, size)
        finally:
            os.close(fd)
        self._put(_padding(size))

    def place(self, name: str, size: int, mode: int) -> None:
        """A file whose ``size`` bytes are there already, in ``file``, after where its header comes."""
        self._put(header(name, mode=mode, size=size))
        with storage_errors(f"writing {self.path}"):
            os.lseek(self.file, size, os.SEEK_CUR)
        self.position += size
        self._put(_padding(size))

    def finish(self) -> None:
        """Two empty blocks end an archive."""
        self._put(bytes(2 * BLOCK))
        if self.ahead:
            with storage_errors(f"writing {self.path}"):
                os.ftruncate(self.file, self.position)  # what was written ahead may have been given up

    def _put(self, content: bytes) -> None:
        self._sink.write(memoryview(content))
        self.position += len(content)

    def _append(self, source: int, path: Path, size: int) -> None:
        done = 0
        while done < size:
            check_cancelled()
            with storage_errors(f"writing {self.path}"):
                count = self._send(source, done, size - done)
            if not count:
                raise StorageFailed(f"{path} became shorter while it was read")
            done += count
            self.position += count

    def _send(self, source: int, offset: int, count: int) -> int:
        """Append up to ``count`` bytes of a file; answers with how many, 0 at its end."""
        if self._sends:
            sent = send_some(self.file, source, offset, count)
            if sent is not None:
                return sent
            self._sends = False
        buffer = thread_buffer()
        count = os.preadv(source, [buffer[: min(len(buffer), count)]], offset)
        self._sink.write(buffer[:count])
        return count


def padded(size: int) -> int:
    """How many bytes of an archive the content of a member takes."""
    return size + -size % BLOCK


def header(name: str, *, mode: int, size: int = 0, kind: bytes = b"0", link: str = "") -> bytes:
    """The header blocks of one member."""
    records = {}
    if size >= _OCTAL_LIMIT:
        records["size"] = str(size)
    if len(name.encode()) > _NAME_LENGTH or not name.isascii():
        records["path"] = name
    if len(link.encode()) > _NAME_LENGTH or not link.isascii():
        records["linkpath"] = link
    main = _block(name, mode, 0 if size >= _OCTAL_LIMIT else size, kind, link)
    if not records:
        return main
    content = b"".join(_record(key, records[key]) for key in sorted(records))
    directory, base = posixpath.split(name)
    extended = _block(posixpath.join(directory, "PaxHeaders.0", base), 0, len(content), b"x", "", devices=False)
    return extended + content + _padding(len(content)) + main


def _block(name: str, mode: int, size: int, kind: bytes, link: str, *, devices: bool = True) -> bytes:
    device = b"0000000\0" if devices else bytes(8)
    fields = [
        _field(name), b"%07o\0" % mode, b"0000000\0", b"0000000\0", b"%011o\0" % size, b"%011o\0" % 0,
        b" " * 8, kind, _field(link), b"ustar\x0000", bytes(32), bytes(32), device, device, bytes(155 + 12),
    ]  # fmt: skip
    block = bytearray(b"".join(fields))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _field(text: str) -> bytes:
    return text.encode("ascii", "ignore")[:_NAME_LENGTH].ljust(_NAME_LENGTH, b"\0")


def _record(key: str, value: str) -> bytes:
    """``length key=value``, where the length counts itself (POSIX.1-2001 pax)."""
    rest = f" {key}={value}\n".encode()
    length = len(rest) + 1
    while len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def _padding(size: int) -> bytes:
    return bytes(padded(size) - size)
