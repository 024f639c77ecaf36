"""Small files that only their owner can read, which several processes use: locked with flock(2) while they are."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from .locks import try_lock


def open_locked(path: Path) -> int | None:
    """Open a file for reading and writing, with mode 0600 if it is created, and lock it; None if it is locked.

    Closing the descriptor releases the lock. Raises `OSError`, also if the file is not a regular one that only we can
    use.
    """
    while True:
        fd = open_private(path, os.O_RDWR | os.O_CREAT)
        try:
            locked = try_lock(fd)
            # The process that had the lock before may have removed the file.
            if locked and _is_at(path, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        if not locked:
            return None


def open_private(path: Path, flags: int) -> int:
    """Open a file with mode 0600 if it is created; raises `OSError`, as `open_locked` does."""
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    status = os.fstat(fd)
    if (
        stat.S_ISREG(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & 0o077
        and status.st_nlink <= 1
    ):
        return fd
    os.close(fd)
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))


def remove_old(directory: Path, suffix: str, age: float) -> None:
    """Remove the files in ``directory`` with ``suffix`` that were not written for ``age`` seconds and are not locked.

    Raises `OSError` if the directory cannot be read.
    """
    with os.scandir(directory) as entries:
        old = [entry.path for entry in entries if entry.name.endswith(suffix) and _is_old(entry, age)]
    for path in map(Path, old):
        with suppress(OSError):
            if (fd := open_locked(path)) is not None:
                try:
                    path.unlink()
                finally:
                    os.close(fd)


def _is_old(entry: os.DirEntry[str], age: float) -> bool:
    try:
        # A clock that was set back makes a file young for ever.
        return abs(time.time() - entry.stat(follow_symlinks=False).st_mtime) >= age
    except OSError:
        return False


def _is_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False
