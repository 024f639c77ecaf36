"""Temporary directories and files, and archives that must be unpacked into one before they can be read.

The input may be a pipe or standard input; waiting for it can be cancelled.
"""

from __future__ import annotations

import io
import os
import select
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PathNotFound, StorageFailed
from ..streams.cancellation import check_cancelled, run_in_thread
from ..streams.decompress import InflatingSink, is_gzip_or_zstd
from ..streams.pump import BlobSink, FileSink, thread_buffer
from .archive_output import is_stream, is_written_directly
from .files import open_regular, partial_name, remove_tree, storage_errors
from .tar import TarIndex

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Milliseconds between two checks for cancellation while waiting for input.
_POLL = 200
_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\0"


@contextmanager
def scratch_directory(output: Path, scratch: Path | None) -> Iterator[Path]:
    """Reserve the path of a temporary directory, in ``scratch`` or, if that is None, next to the file ``output``.

    The caller creates the directory when it needs it, so that a dry run changes nothing. It is removed, with its
    content, when the context is left.
    """
    if scratch is None and not is_written_directly(output):
        scratch = output.parent
    with temporary_directory(scratch, output.name) as directory:
        yield directory


@contextmanager
def temporary_directory(scratch: Path | None, name: str = "image") -> Iterator[Path]:
    """Reserve a path as `scratch_directory` does, in ``scratch`` or, if that is None, in the system's directory."""
    directory = (scratch or _system_directory()) / partial_name(name)
    try:
        yield directory
    finally:
        remove_tree(directory)


def _system_directory() -> Path:
    """Return the system's directory for temporary files; raises `StorageFailed` if none can be written to."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        reason = "no directory for temporary files can be written to: name one with --tmpdir or $TMPDIR"
        raise StorageFailed(reason, errno=error.errno) from None


@asynccontextmanager
async def readable_archive(path: Path, scratch: Path | None) -> AsyncIterator[TarIndex]:
    """Open the tar archive at ``path`` and yield the index of its members.

    An uncompressed regular file is read in place. Compressed archives (gzip, zstd, bzip2, xz) and streams (``-`` is
    standard input) are unpacked into a temporary file first, in ``scratch`` or the system's temporary directory. Raises
    `PathNotFound`, `InvalidContent`, `StorageFailed`.
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
    async with temporary_file("archive.tar", scratch, lambda sink: _unpack(path, sink)) as plain:
        yield await to_thread.run_sync(TarIndex.read, plain)


@asynccontextmanager
async def temporary_file(name: str, scratch: Path | None, fill: Callable[[FileSink], None]) -> AsyncIterator[Path]:
    """Create a file called ``name`` in a private temporary directory, and yield its path.

    ``fill`` is called in a worker thread with a sink that writes to the file. Directory and file are removed when the
    context is left. Raises `StorageFailed`, and what ``fill`` raises.
    """
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


def copy_stream(path: Path, sink: BlobSink) -> None:
    """Copy a stream (``-`` is standard input) to its end, unchanged; for a worker thread.

    Raises `StorageFailed`, and `Cancelled` while it waits.
    """
    with _open_stream(path) as stream:
        buffer = thread_buffer()
        while count := stream.readinto(buffer):
            sink.write(buffer[:count])


def _is_compressed(magic: bytes) -> bool:
    return magic.startswith((_BZIP2, _XZ)) or is_gzip_or_zstd(magic)


def _unpack(path: Path, sink: BlobSink) -> None:
    """Copy an archive to ``sink``, decompressed if it is gzip, zstd, bzip2 or xz."""
    with _open_stream(path) as stream:
        magic = stream.peek(6)
        if magic.startswith((_BZIP2, _XZ)):
            _unpack_with_library(stream, magic, sink, path)
            return
        inflating = InflatingSink(sink, str(path))
        buffer = thread_buffer()
        while count := stream.readinto(buffer):
            inflating.write(buffer[:count])
        inflating.finish()


@contextmanager
def _open_stream(path: Path) -> Iterator[_Stream]:
    with storage_errors(f"opening {path}"):
        # Non-blocking: opening a named pipe would otherwise wait, uncancellable, for a writer.
        source = os.dup(0) if str(path) == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield _Stream(source, path)
    finally:
        os.close(source)


def _unpack_with_library(stream: _Stream, magic: bytes, sink: BlobSink, path: Path) -> None:
    import bz2
    import lzma

    try:
        buffered = io.BufferedReader(stream)
        with bz2.open(buffered) if magic.startswith(_BZIP2) else lzma.open(buffered) as plain:
            while piece := plain.read(1024 * 1024):
                sink.write(memoryview(piece))
    except (EOFError, OSError, lzma.LZMAError) as error:
        # Errors of the operating system have become `StorageFailed` in `_Stream`: an OSError here is from bz2.
        raise InvalidContent(f"{path}: damaged compressed archive: {error}") from error


class _Stream(io.RawIOBase):
    """A file object over a descriptor that may block for long; reading raises `Cancelled` while it waits."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd, self._path = fd, path
        self._head = b""
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def readable(self) -> bool:
        return True

    def peek(self, count: int) -> bytes:
        """Return the first ``count`` bytes, fewer if there are no more; `readinto` returns them again."""
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
