"""Temporary files under names that are the same in every run: a later run finds what an interrupted one has left.

What is under such a name may be a trap: a link to another file, a file that others can write to. Only a regular file of
this user, with no other name and the mode of a new file, is used.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .locks import try_lock
from .partial_files import kept_name, open_partial

# How often a file is opened again that was renamed or removed before it was locked.
ATTEMPTS = 100
_READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FLAGS = _READING | os.O_RDWR


def open_kept_file(path: Path, mode: int, *, key: str) -> tuple[int, Path]:
    """Open and lock a file in the directory of ``path`` whose name is the same in every run, as what it has is used.

    ``key`` is that of `kept_name`. Returns its descriptor and its path, which has a random name if the file is in use
    or should be left alone for another reason; see above. Raises `OSError`.
    """
    temporary = path.with_name(kept_name(path.name, key))
    for _ in range(ATTEMPTS):
        try:
            fd, found = open_stable(temporary, mode)
        except FileNotFoundError:
            continue
        if fd is None:
            break
        try:
            usable = not (found and not is_ours(os.fstat(fd))) and try_lock(fd)
        except OSError:
            usable = False
            if not found:
                temporary.unlink(missing_ok=True)
        try:
            if usable and is_at(fd, temporary):
                if not found or stat.S_IMODE(os.fstat(fd).st_mode) == new_mode(path):
                    return fd, temporary
                temporary.unlink(missing_ok=True)
        except OSError:  # the disk is full, for example
            os.close(fd)
            raise
        os.close(fd)
        if not usable:
            break
    return open_partial(path, mode)


def open_stable(path: Path, mode: int = 0o666) -> tuple[int | None, bool]:
    """Create a file, or open one that is there; returns a descriptor and whether it was there.

    The descriptor is None if it should be left alone: a symbolic link, a directory, a file that is not ours. Raises
    `OSError` if it cannot be created, and `FileNotFoundError` if it has been renamed or removed just now.
    """
    try:
        return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, mode), False
    except FileExistsError:
        pass
    try:
        return os.open(path, _FLAGS), True
    except FileNotFoundError:
        raise
    except OSError:
        return None, True


def lock_kept_file(path: Path) -> int | None:
    """Open for reading and lock a file that an interrupted run has left; None if there is none that may be used."""
    try:
        fd = os.open(path, _READING)
    except OSError:
        return None
    try:
        usable = is_ours(os.fstat(fd)) and try_lock(fd) and is_at(fd, path)
    except OSError:
        usable = False
    if not usable:
        os.close(fd)
        return None
    return fd


def is_at(fd: int, path: Path) -> bool:
    """Return whether a file that was locked still has its name: the one before may have renamed or removed it."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def is_ours(status: os.stat_result) -> bool:
    """Return whether this is a regular file of this user, and under no other name, where writing would do harm."""
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink <= 1


def new_mode(path: Path, mode: int = 0o666) -> int:
    """Return what ``mode`` becomes for a new file beside ``path``, by the umask and the directory; raises `OSError`."""
    fd, temporary = open_partial(path, mode)
    try:
        return stat.S_IMODE(os.fstat(fd).st_mode)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(fd)
