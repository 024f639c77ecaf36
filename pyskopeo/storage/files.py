"""A blob onto a path: always staged beside it, renamed when it is whole and verified."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from ..errors import NotFound, StorageFailed, TooLarge
from ..model.digest import Digest
from ..streams.locations import LocalFile

PARTIAL = ".partial"
_SEND_STEP = 16 * 1024 * 1024
# Linux takes memory for a file in pieces as large as what is written at once. Large ones are cut from memory that
# has long been free, and which a virtual machine has to ask its host for again: up to ten times slower.
_WRITE_STEP = 256 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE, errno.EIO)


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn what the operating system refuses into `StorageFailed`: "what: reason"."""
    try:
        yield
    except OSError as error:
        raise StorageFailed.of(error, what) from error


class FileSink:
    """Writes buffers to a file descriptor, from its current position."""

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self.path = path

    def write(self, buffer: memoryview) -> None:
        try:
            while len(buffer):
                buffer = buffer[os.write(self.fd, buffer[:_WRITE_STEP]) :]
        except OSError as error:
            raise StorageFailed.of(error, f"writing {self.path}") from error


def write_at(fd: int, buffer: memoryview, offset: int, path: Path) -> None:
    """Write a buffer to a place in a file, leaving its position; raises `StorageFailed`, with ``path``."""
    try:
        while len(buffer):
            count = os.pwrite(fd, buffer[:_WRITE_STEP], offset)
            buffer, offset = buffer[count:], offset + count
    except OSError as error:
        raise StorageFailed.of(error, f"writing {path}") from error


def send_some(target: int, source: int, offset: int, count: int) -> int | None:
    """Append up to ``count`` bytes of a file from ``offset``, inside the kernel; answers with how many, 0 at its end.

    None where that cannot be done. Raises `OSError` where nothing could be written in any way.
    """
    try:
        return os.sendfile(target, source, offset, min(count, _SEND_STEP))
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", None) in _FULL:
            raise
        return None  # neither every system nor every target has it


class FileReader:
    """Reads ``size`` bytes of a regular file from ``offset``."""

    def __init__(self, fd: int, path: Path, offset: int, size: int) -> None:
        self._fd, self._path, self._offset, self._left = fd, path, offset, size

    def readinto(self, buffer: memoryview) -> int:
        with storage_errors(f"reading {self._path}"):
            count = os.preadv(self._fd, [buffer[: min(len(buffer), self._left)]], self._offset) if self._left else 0
        self._offset += count
        self._left -= count
        return count


def open_regular(path: Path) -> int:
    """Open for reading; raises `NotFound`, or `StorageFailed` for anything but a regular file.

    Symbolic links are followed: build tools emit layouts of links, and what is behind one is
    verified like any other content. A FIFO or a device would block, or never end.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise NotFound(f"open {path}: no such file or directory") from error
    except OSError as error:
        raise StorageFailed.of(error, f"open {path}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise StorageFailed(f"open {path}: not a regular file")
    return fd


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of a small file; raises `TooLarge` over ``limit`` bytes, `NotFound`, `StorageFailed`."""
    fd = open_regular(path)
    with os.fdopen(fd, "rb") as file, storage_errors(f"reading {path}"):
        content = file.read(limit + 1)
    if len(content) > limit:
        raise TooLarge(f"{path} is over the limit of {limit} bytes", limit=limit)
    return content


def read_range(path: Path, offset: int, size: int) -> bytes:
    """``size`` bytes of a file from ``offset``, fewer only where it ends; for small pieces."""
    fd = open_regular(path)
    try:
        with storage_errors(f"reading {path}"):
            return os.pread(fd, size, offset)
    finally:
        os.close(fd)


@asynccontextmanager
async def open_reader(location: LocalFile, size: int) -> AsyncIterator[FileReader]:
    """A reader over a local file of which ``size`` bytes are expected; one more shows that it is longer."""
    fd = open_regular(location.path)
    try:
        available = size + 1 if location.size is None else location.size
        yield FileReader(fd, location.path, location.offset, available)
    finally:
        os.close(fd)


def partial_name(name: str) -> str:
    """A hidden name of our own for what is to be called ``name``, short even where that is as long as it may be."""
    return f".{name.lstrip('.-')[:40]}.{os.urandom(6).hex()}{PARTIAL}"


@contextmanager
def staged(path: Path, mode: int = 0o644) -> Iterator[tuple[int, Path]]:
    """A new file beside ``path`` that becomes it on success and is removed on any error."""
    temporary = path.with_name(partial_name(path.name))
    with storage_errors(f"creating {path}"):
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            yield fd, temporary
            with storage_errors(f"writing {path}"):
                # Whatever the umask: the same image is the same files.
                os.fchmod(fd, mode)
        finally:
            # Network file systems report here that the disk is full.
            with storage_errors(f"writing {path}"):
                os.close(fd)
        with storage_errors(f"writing {path}"):
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_tree(path: Path) -> None:
    """Remove a directory of our own, as far as that goes; it need not be there."""
    if path.exists():
        import shutil

        shutil.rmtree(path, ignore_errors=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a small file so that readers see the old content or the new, never half of it."""
    with staged(path) as (fd, _):
        FileSink(fd, path).write(memoryview(content))


def digest_name(digest: Digest) -> str:
    """Where an OCI layout keeps a blob, below ``blobs``: safe, since a `Digest` is parsed."""
    return f"{digest.algorithm}/{digest.hex}"


@asynccontextmanager
async def locked(directory: Path) -> AsyncIterator[None]:
    """Hold the one lock of a directory against other writers, in this process or another.

    The directory itself is locked, so no lock file is left in the image. Waiting can be cancelled.
    """
    from anyio import sleep

    with storage_errors(f"opening {directory}"):
        fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pause = 0.002
        while not _try_lock(fd, directory):
            await sleep(pause)
            pause = min(pause * 1.5, 0.05)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int, directory: Path) -> bool:
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StorageFailed.of(error, f"locking {directory}") from error
    return True
