"""Temporary directories and files, and archives that must be unpacked into one before they can be read.

The input may be a pipe or standard input; waiting for it can be cancelled.
"""

from __future__ import annotations

import errno
import os
import select
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PathNotFound, StorageFailed, TooLarge
from ..model.digest import Digest
from ..streams.byte_streams import ByteReader
from ..streams.cancellation import check_cancelled, run_in_thread
from ..streams.decompress import Decompressor
from ..streams.inflaters import MAGIC, compression_of
from ..streams.plain_content import default_inflated_limit
from ..streams.pump import FileSink, thread_buffer
from .archive_output import check_descriptor, inherited_descriptor, is_stream, is_written_directly
from .files import open_regular, storage_errors
from .kept_directories import KeptDirectory
from .partial_files import create_partial_directory, final_name, partial_name, remove_leftovers, remove_tree
from .tar import TarIndex
from .tar_fields import BLOCK
from .tar_headers import TarEntries

if TYPE_CHECKING:
    from ..access import Storage

# Milliseconds between two checks for cancellation while waiting for input.
_POLL = 200
# Bytes. A stream may follow the end of a tar archive with padding; a device or a broken program may go on for ever.
_TRAILING_LIMIT = 64 * 1024 * 1024
# Bytes that a header in an archive may announce before it is checked whether there is room for them.
_UNCHECKED_SIZE = 64 * 1024 * 1024
_ELSEWHERE = "name a directory with more room with --tmpdir or $TMPDIR"
# File descriptors that hold the locks of temporary directories, until `temporary_directory` removes these.
_locks: dict[Path, int] = {}
_creating = threading.Lock()


def scratch_directory(output: Path, storage: Storage) -> KeptDirectory:
    """Reserve a private temporary directory for what becomes the file ``output``.

    It is in the directory of ``storage`` or, if that is None, next to ``output``, or in the system's directory for an
    output that is a stream. The caller creates it when it needs it, so that a dry run changes nothing, and closes it.
    Nothing is kept for a stream.
    """
    stream, parent = is_written_directly(output), storage.scratch
    if parent is None:
        parent = _system_directory() if stream else output.parent
    key = Digest.of(os.fsencode(os.path.abspath(output))).hex
    resume = storage.resume and not stream
    return KeptDirectory(parent, output.name, key, mode=0o700, resume=resume, partial_age=storage.partial_age)


@contextmanager
def temporary_directory(scratch: Path | None) -> Iterator[Path]:
    """Reserve the path of a temporary directory, in ``scratch`` or, if that is None, in the system's directory.

    The caller creates the directory by `create_directory` when it needs it. It is removed, with its content, when the
    context is left.
    """
    directory = (scratch or _system_directory()) / partial_name("image")
    try:
        yield directory
    finally:
        remove_tree(directory)
        if (lock := _locks.pop(directory, None)) is not None:
            os.close(lock)


def create_directory(directory: Path) -> None:
    """Create the private directory that `temporary_directory` has reserved, unless it exists; raises `StorageFailed`.

    Those of the same name that killed runs left are removed.
    """
    with _creating, storage_errors(f"creating {directory}"):
        if directory.exists():
            return
        _locks[directory] = create_partial_directory(directory, 0o700)
        if name := final_name(directory.name):
            remove_leftovers(directory.parent, name)


def _system_directory() -> Path:
    """Return the system's directory for temporary files; raises `StorageFailed` if none can be written to."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        reason = "no directory for temporary files can be written to: name one with --tmpdir or $TMPDIR"
        raise StorageFailed(reason, errno=error.errno) from None


@asynccontextmanager
async def readable_archive(
    path: Path, scratch: Path | None, max_inflated: int | None = None
) -> AsyncIterator[TarIndex]:
    """Open the tar archive at ``path`` and yield the index of its members.

    An uncompressed regular file is read in place. Compressed archives (gzip, zstd, bzip2, xz) and streams (``-`` is
    standard input) are unpacked into a temporary file first, in ``scratch`` or the system's temporary directory.
    ``max_inflated`` is the maximum size in bytes that a compressed archive may have when it is unpacked; None: see
    `Storage`. Raises `PathNotFound`, `InvalidContent`, `TooLarge`, `StorageFailed`.
    """
    if not is_stream(path):
        try:
            fd = open_regular(path)
        except NotFound as error:
            raise PathNotFound(str(error)) from None
        with os.fdopen(fd, "rb") as file:
            magic = file.read(MAGIC)
        if not compression_of(magic):
            yield await run_in_thread(lambda: TarIndex.read(path))
            return
    async with temporary_file("archive.tar", scratch, lambda sink: _unpack(path, sink, max_inflated)) as plain:
        yield await run_in_thread(lambda: TarIndex.read(plain, _shown(path)))


@asynccontextmanager
async def temporary_file(name: str, scratch: Path | None, fill: Callable[[FileSink], None]) -> AsyncIterator[Path]:
    """Create a file called ``name`` in a private temporary directory, and yield its path.

    ``fill`` is called in a worker thread with a sink that writes to the file. Directory and file are removed when the
    context is left. Raises `StorageFailed`, and what ``fill`` raises.
    """
    with temporary_directory(scratch) as directory:
        create_directory(directory)
        path = directory / name

        def work() -> None:
            with storage_errors(f"creating {path}"):
                target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fill(FileSink(target, path))
            except StorageFailed as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    error.args = (f"{error}; {_ELSEWHERE}",)
                raise
            finally:
                os.close(target)

        await run_in_thread(work)
        yield path


def copy_layer(path: Path, sink: FileSink, observe: Callable[[memoryview], None]) -> None:
    """Copy a layer from a stream (``-`` is standard input) to its end, unchanged; for a worker thread.

    ``observe`` is called with each piece before it is written; what it raises ends the copy. Raises `TooLarge` for
    `_TRAILING_LIMIT` bytes after a tar archive without members, as from a device, `StorageFailed`, and `Cancelled`.
    """

    def observed(stream: StreamReader) -> Iterator[memoryview]:
        for piece in _read(stream):
            observe(piece)
            yield piece

    with open_stream(path) as stream:
        pieces = _Pieces(observed(stream), sink, _shown(path))
        if pieces.grow(2 * BLOCK) and not any(os.pread(sink.fd, 2 * BLOCK, 0)):
            pieces.limit()
        pieces.grow(sys.maxsize)


def _read(stream: StreamReader) -> Iterator[memoryview]:
    buffer = thread_buffer()
    while count := stream.readinto(buffer):
        yield buffer[:count]


def _unpack(path: Path, sink: FileSink, max_inflated: int | None) -> None:
    """Copy an archive to ``sink``, decompressed if it is gzip, zstd, bzip2 or xz."""
    with open_stream(path) as stream:
        pieces = _Pieces(_decompressed(path, stream, max_inflated), sink, _shown(path))
        try:
            pieces.grow_archive()
        except InvalidContent:
            # Damage to compressed data may show only in a checksum after it, and is reported as such then.
            pieces.limit()
            with suppress(TooLarge):
                pieces.grow(sys.maxsize)
            raise
        pieces.grow(sys.maxsize)


def _decompressed(path: Path, stream: StreamReader, max_inflated: int | None) -> Iterator[memoryview]:
    """Yield the content of an archive; raises `TooLarge` if it is larger than allowed, and than what is stored."""
    decompressor = Decompressor(str(_shown(path)), archive=True)
    stored = size = 0

    def pieces() -> Iterator[memoryview]:
        nonlocal stored
        for buffer in _read(stream):
            stored += len(buffer)
            yield from decompressor.feed(buffer)
        yield from decompressor.finish()

    for piece in pieces():
        size += len(piece)
        limit = default_inflated_limit(stored) if max_inflated is None else max_inflated
        if size > max(limit, stored):
            raise TooLarge(
                f"{_shown(path)}: the archive is larger than {limit} bytes when it is decompressed: refused; if it is "
                "sound, allow more with --max-inflated",
                limit=limit,
            )
        yield piece


class _Pieces:
    """Copies a stream, called ``name`` in errors, to a file as far as it is needed."""

    def __init__(self, pieces: Iterator[memoryview], sink: FileSink, name: Path) -> None:
        self._pieces, self._sink, self._name = pieces, sink, name
        self._size, self._limit = 0, sys.maxsize

    def grow(self, size: int) -> int:
        """Copy until the file has ``size`` bytes, or the stream ends; returns the file's size.

        Raises `TooLarge` beyond the end of the archive, where that is known, and `StorageFailed`, before anything is
        copied, if there is no room for so much.
        """
        if size - self._size > _UNCHECKED_SIZE and size < sys.maxsize:
            self._check_room(size)
        while self._size < size and (piece := next(self._pieces, None)) is not None:
            self._sink.write(piece)
            self._size += len(piece)
            if self._size > self._limit:
                raise TooLarge(
                    f"{self._name}: over {_TRAILING_LIMIT} bytes follow the end of the archive", limit=_TRAILING_LIMIT
                )
        return self._size

    def _check_room(self, size: int) -> None:
        """Raise `StorageFailed` if there is no room for a file of ``size`` bytes; some file systems do not know that.

        A header may state any size, and the sender of a stream may go on until the disk is full.
        """
        with storage_errors(f"writing {self._sink.path}"):
            found = os.fstatvfs(self._sink.fd)
        if found.f_blocks and size - self._size > found.f_bavail * found.f_frsize:
            where = self._sink.path.parent.parent
            raise StorageFailed(
                f"{self._name}: its headers say that {size} bytes of it follow, for which {where} has no room",
                errno=errno.ENOSPC,
            )

    def grow_archive(self) -> None:
        """Copy until the end of a tar archive; raises as `TarEntries` does."""
        for _ in TarEntries(self._sink.fd, self._name, self.grow):
            pass
        self.limit()

    def limit(self) -> None:
        """Note that the archive has ended."""
        self._limit = self._size + _TRAILING_LIMIT


def _shown(path: Path) -> Path:
    """Return the name of an archive in errors."""
    return Path("/dev/stdin") if str(path) == "-" else path


@contextmanager
def open_stream(path: Path) -> Iterator[StreamReader]:
    number = inherited_descriptor(path, dash=0)
    if number is not None:
        check_descriptor(number, _shown(path), writing=False)
    with storage_errors(f"opening {path}"):
        # Non-blocking: opening a named pipe would otherwise wait, uncancellable, for a writer.
        source = os.dup(0) if str(path) == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield StreamReader(source, _shown(path))
    finally:
        os.close(source)


class StreamReader(ByteReader):
    """Reads from a descriptor that may block for long; raises `Cancelled` while it waits, and `StorageFailed`."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd, self._path = fd, path
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def readinto(self, buffer: memoryview) -> int:
        with storage_errors(f"reading {self._path}"):
            check_cancelled()
            while not self._poll.poll(_POLL):
                check_cancelled()
            return os.readv(self._fd, [buffer])
