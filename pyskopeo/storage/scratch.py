"""Temporary room: a directory beside the destination; an archive that cannot be read in place."""

from __future__ import annotations

import io
import os
import select
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PathNotFound
from ..streams.cancellation import check_cancelled, run_in_thread
from ..streams.decompress import InflatingSink, recognises
from ..streams.pump import ByteSink, thread_buffer
from .archive_output import goes_along, is_stream
from .files import FileSink, open_regular, partial_name, remove_tree, storage_errors
from .tar import TarIndex

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Milliseconds between two checks for cancellation while a slow writer is waited for.
_POLL = 200
_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\0"


@contextmanager
def scratch_directory(beside: Path, scratch: Path | None) -> Iterator[Path]:
    """A path for a directory that is gone afterwards: in ``scratch``, or beside a file to be written.

    It is not made before something is put there, so that a plan alone touches nothing.
    """
    if scratch is None and not goes_along(beside):
        scratch = beside.parent
    with temporary_directory(scratch, beside.name) as directory:
        yield directory


@contextmanager
def temporary_directory(scratch: Path | None, name: str = "image") -> Iterator[Path]:
    """As `scratch_directory`, for what is beside nothing: in ``scratch``, or where the system has such things."""
    directory = (scratch or Path(tempfile.gettempdir())) / partial_name(name)
    try:
        yield directory
    finally:
        remove_tree(directory)


@asynccontextmanager
async def readable_archive(path: Path, scratch: Path | None) -> AsyncIterator[TarIndex]:
    """An index of the archive at ``path``, in place if it can be: a plain tar in a regular file.

    Compressed archives (gzip, zstd, bzip2, xz) and streams (``-`` is standard input) are unpacked
    to a temporary file first. Raises `PathNotFound`, `InvalidContent`, `StorageFailed`.
    """
    from anyio import to_thread

    if not is_stream(path):
        try:
            fd = open_regular(path)
        except NotFound as error:
            raise PathNotFound(str(error)) from None
        with os.fdopen(fd, "rb") as file:
            magic = file.read(6)
        if not _is_compressed(magic):
            yield await to_thread.run_sync(TarIndex.read, path)
            return
    async with spooled("archive.tar", scratch, lambda sink: _unpack(path, sink)) as plain:
        yield await to_thread.run_sync(TarIndex.read, plain)


@asynccontextmanager
async def spooled(name: str, scratch: Path | None, fill: Callable[[FileSink], None]) -> AsyncIterator[Path]:
    """A private temporary file that ``fill(sink)`` writes in a worker thread; gone afterwards."""
    with temporary_directory(scratch) as directory:
        with storage_errors(f"creating {directory}"):
            directory.mkdir(mode=0o700)
        path = directory / name

        def work() -> None:
            with storage_errors(f"creating {path}"):
                target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fill(FileSink(target, path))
            finally:
                os.close(target)

        await run_in_thread(work)
        yield path


def copy_stream(path: Path, sink: ByteSink) -> None:
    """Everything that comes from a stream (``-`` is standard input), as it is; for a worker thread."""
    with _opened(path) as stream:
        buffer = thread_buffer()
        while count := stream.readinto(buffer):
            sink.write(buffer[:count])


def _is_compressed(magic: bytes) -> bool:
    return magic.startswith((_BZIP2, _XZ)) or recognises(magic)


def _unpack(path: Path, sink: ByteSink) -> None:
    """Copy an archive, whatever its compression, decompressed."""
    with _opened(path) as stream:
        magic = stream.first(6)
        if magic.startswith((_BZIP2, _XZ)):
            _unpack_with_library(stream, magic, sink, path)
            return
        inflating = InflatingSink(sink, str(path))
        buffer = thread_buffer()
        while count := stream.readinto(buffer):
            inflating.write(buffer[:count])
        inflating.finish()


@contextmanager
def _opened(path: Path) -> Iterator[_Stream]:
    with storage_errors(f"opening {path}"):
        # Not to wait here for whoever is to write into a named pipe.
        source = os.dup(0) if str(path) == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield _Stream(source, path)
    finally:
        os.close(source)


def _unpack_with_library(stream: _Stream, magic: bytes, sink: ByteSink, path: Path) -> None:
    import bz2
    import lzma

    try:
        buffered = io.BufferedReader(stream)
        with bz2.open(buffered) if magic.startswith(_BZIP2) else lzma.open(buffered) as plain:
            while piece := plain.read(1024 * 1024):
                sink.write(memoryview(piece))
    except (EOFError, OSError, lzma.LZMAError) as error:
        # What the operating system refused is a `StorageFailed` already: an OSError is bz2's complaint.
        raise InvalidContent(f"{path}: damaged compressed archive: {error}") from error


class _Stream(io.RawIOBase):
    """A file descriptor that may be slow, read from its start; raises `Cancelled` while it waits."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd, self._path = fd, path
        self._head = b""
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def readable(self) -> bool:
        return True

    def first(self, count: int) -> bytes:
        """The first bytes, which will be read again; fewer only where there are no more."""
        while len(self._head) < count:
            piece = bytearray(count - len(self._head))
            if not (got := self._read(memoryview(piece))):
                break
            self._head += piece[:got]
        return self._head

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if not self._head:
            return self._read(view)
        count = min(len(view), len(self._head))
        view[:count] = self._head[:count]
        self._head = self._head[count:]
        return count

    def _read(self, view: memoryview) -> int:
        with storage_errors(f"reading {self._path}"):
            check_cancelled()
            while not self._poll.poll(_POLL):
                check_cancelled()
            return os.readv(self._fd, [view])
