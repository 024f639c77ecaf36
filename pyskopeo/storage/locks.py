"""Locks of directories and files against other processes and tasks, with flock(2).

The directory or file itself is locked, so that no lock file is left in an image. The kernel releases a lock when the
process that holds it ends, however it ends.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ..errors import StorageFailed

_PATIENCE = 1.0  # seconds
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


class NoLocks(StorageFailed):
    """Internal: the file system has no locks. Raised as `StorageFailed` where one is indispensable."""


@asynccontextmanager
async def locked_if_possible(
    directory: Path, *, shared: bool = False, on_wait: Callable[[], None] | None = None
) -> AsyncIterator[None]:  # fmt: skip
    """Hold a lock of a directory as `locked` does; none where the file system has no locks."""
    try:
        fd = await lock_directory(directory, shared=shared, on_wait=on_wait)
    except NoLocks:
        yield
        return
    try:
        yield
    finally:
        os.close(fd)


@asynccontextmanager
async def locked(
    directory: Path, *, shared: bool = False, on_wait: Callable[[], None] | None = None
) -> AsyncIterator[None]:  # fmt: skip
    """Hold a lock of a directory as `lock_directory` does; raises `StorageFailed`."""
    fd = await lock_directory(directory, shared=shared, on_wait=on_wait)
    try:
        yield
    finally:
        os.close(fd)


async def lock_directory(
    directory: Path, *, shared: bool = False, on_wait: Callable[[], None] | None = None
) -> int:  # fmt: skip
    """Lock a directory and return a file descriptor; closing it releases the lock. Waiting can be cancelled.

    The lock is exclusive, or one that others can share. ``on_wait`` is called if it is not free for a second. Raises
    `StorageFailed`, and `NoLocks`.
    """
    from anyio import sleep

    try:
        # A named pipe would block for ever.
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StorageFailed.of(error, f"opening {directory}") from error
    try:
        pause, since = 0.002, time.monotonic()
        while not _try_lock(fd, directory, shared=shared):
            await sleep(pause)
            pause = min(pause * 1.5, 0.05)
            if on_wait is not None and time.monotonic() - since > _PATIENCE:
                on_wait()
                on_wait = None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _try_lock(fd: int, directory: Path, *, shared: bool) -> bool:
    try:
        return try_lock(fd, shared=shared)
    except OSError as error:
        kind = NoLocks if error.errno in _NO_LOCKS else StorageFailed
        raise kind.of(error, f"locking {directory}") from error


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
