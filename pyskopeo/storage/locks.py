"""Locks of directories and files against other processes and tasks, with flock(2).

The directory or file itself is locked, so that no lock file is left in an image. The kernel releases a lock when the
process that holds it ends, however it ends.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..errors import StorageFailed


@asynccontextmanager
async def locked(directory: Path, *, shared: bool = False) -> AsyncIterator[None]:
    """Hold a lock of a directory: an exclusive one, or one that others can share. Waiting can be cancelled.

    Raises `StorageFailed`.
    """
    fd = await lock_directory(directory, shared=shared)
    try:
        yield
    finally:
        os.close(fd)


async def lock_directory(directory: Path, *, shared: bool = False) -> int:
    """Lock a directory and return a file descriptor; closing it releases the lock. Waiting can be cancelled.

    Raises `StorageFailed`.
    """
    from anyio import sleep

    try:
        fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageFailed.of(error, f"opening {directory}") from error
    try:
        pause = 0.002
        while not _try_lock(fd, directory, shared=shared):
            await sleep(pause)
            pause = min(pause * 1.5, 0.05)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _try_lock(fd: int, directory: Path, *, shared: bool) -> bool:
    try:
        return try_lock(fd, shared=shared)
    except OSError as error:
        raise StorageFailed.of(error, f"locking {directory}") from error


def try_lock(fd: int, *, shared: bool = False) -> bool:
    """Lock an open file or directory; return whether that was possible without waiting.

    Raises `OSError` where the file system has no locks.
    """
    import fcntl

    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
