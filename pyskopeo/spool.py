"""Temporary room: a directory beside the destination; an archive that cannot be read in place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from .archives import TarIndex
from .errors import InvalidContent, NotFound, PathNotFound, StorageFailed
from .files import PARTIAL, FileSink, open_regular, storage_errors
from .output import is_stream
from .pump import ByteSink, run_abortable, thread_buffer
from .transform import InflatingSink

_BZIP2, _XZ = b"BZh", b"\xfd7zXZ\0"


@contextmanager
def scratch_directory(beside: Path, scratch: Path | None) -> Iterator[Path]:
    """A path for a directory that is gone afterwards: in ``scratch``, or beside a file to be written.

    It is not made before something is put there, so that a plan alone touches nothing.
    """
    parent = scratch or (Path(tempfile.gettempdir()) if is_stream(beside) else beside.parent)
    directory = parent / f".{beside.name.lstrip('.-')[:40]}.{os.urandom(6).hex()}{PARTIAL}"
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


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
    with scratch_directory(Path("archive"), scratch or Path(tempfile.gettempdir())) as directory:
        with storage_errors(f"creating {directory}"):
            directory.mkdir(mode=0o700)
        plain = directory / "archive.tar"
        await run_abortable(lambda check: _unpack(path, plain, check), lambda: None)
        yield await to_thread.run_sync(TarIndex.read, plain)


def _is_compressed(magic: bytes) -> bool:
    return magic.startswith((_BZIP2, _XZ)) or InflatingSink.recognises(magic)


def _unpack(path: Path, plain: Path, check: Callable[[], None]) -> None:
    """Copy an archive, whatever its compression, to a plain file."""
    with storage_errors(f"opening {path}"):
        source = os.dup(0) if str(path) == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with plain.open("wb") as target, os.fdopen(source, "rb", closefd=False) as file:
            sink = FileSink(target.fileno(), plain)
            magic = file.peek(6)[:6]
            if magic.startswith((_BZIP2, _XZ)):
                _unpack_with_library(file, magic, sink, path, check)
                return
            inflating = InflatingSink(sink, str(path))
            buffer = thread_buffer()
            with storage_errors(f"reading {path}"):
                while count := file.readinto1(buffer):
                    inflating.write(buffer[:count])
                    check()
            inflating.finish()
    finally:
        os.close(source)


def _unpack_with_library(file: object, magic: bytes, sink: ByteSink, path: Path, check: Callable[[], None]) -> None:
    import bz2
    import lzma

    opened = bz2.open(file) if magic.startswith(_BZIP2) else lzma.open(file)  # type: ignore[call-overload]
    try:
        with opened as plain:
            while piece := plain.read(1024 * 1024):
                sink.write(memoryview(piece))
                check()
    except (EOFError, lzma.LZMAError) as error:
        raise InvalidContent(f"{path}: damaged compressed archive: {error}") from error
    except OSError as error:
        raise StorageFailed.of(error, f"reading {path}") from error
