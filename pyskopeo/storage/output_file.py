"""Write a small file for the user, such as a digest, wherever its path leads: a file, a pipe or a device."""

from __future__ import annotations

import errno
import os
import select
import stat
from pathlib import Path

from ..errors import StorageFailed

_IN_PLACE = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS)  # errors of a directory, not of the file in it
_PATIENCE = 30.0  # seconds that the reader of a pipe may take before it reads on


def check_output(path: Path, what: str) -> None:
    """Find out early whether a file can be written; a pipe or device is not touched.

    A pipe would end for its reader when it is closed. A file that is not there is created and removed again, so that a
    run that fails leaves none. Raises `StorageFailed`, with the message "what: reason".
    """
    try:
        if path.is_file() or path.is_dir():  # opening a directory is the error that is wanted
            path.open("ab").close()
        elif not path.exists():
            # What a symbolic link to nothing leads to is created; the link stays.
            target = path.resolve()
            target.open("xb").close()
            target.unlink()
    except OSError as error:
        raise StorageFailed.of(error, what) from error


def write_output(path: Path, content: bytes, what: str, patience: float = _PATIENCE) -> None:
    """Replace the content of a file, or write to a pipe or a device without waiting for ever.

    A named pipe that has no reader, and one whose reader takes nothing for ``patience`` seconds, raises
    `StorageFailed`, as every error does, with the message "what: reason". A plain open(2) would wait for a reader, and
    signals and ``--command-timeout`` would wait with it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)
    try:
        fd = os.open(path, flags, 0o666)
        try:
            _write(fd, memoryview(content), what, patience)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno == errno.ENXIO and _is_pipe(path):
            raise StorageFailed(f"{what}: the named pipe has no reader", errno=error.errno) from error
        raise StorageFailed.of(error, what) from error


def replace_output(path: Path, content: bytes, what: str) -> None:
    """As `write_output`, but a file keeps its old content, or is not there, until all of the new one is written.

    Where the directory does not allow that, as for a file that is mounted by itself, it is written in place.
    """
    if path.exists() and not path.is_file():
        write_output(path, content, what)
        return
    from .partial_files import write_atomically

    target = path.resolve()  # a symbolic link stays
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666
        write_atomically(target, content, mode)
    except StorageFailed as error:
        if error.errno not in _IN_PLACE:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise StorageFailed.of(OSError(error.errno, reason), what) from error
        write_output(path, content, what)
    except OSError as error:
        raise StorageFailed.of(error, what) from error


def _write(fd: int, content: memoryview, what: str, patience: float) -> None:
    while content:
        try:
            content = content[os.write(fd, content) :]
        except BlockingIOError:
            if not select.select([], [fd], [], patience)[1]:
                raise StorageFailed(f"{what}: its reader took nothing for {patience:.0f} seconds") from None


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False
