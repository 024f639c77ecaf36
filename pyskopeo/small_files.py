"""Open configuration files for reading: regular files, and what the user's shell passes as a descriptor.

A named pipe would block until somebody writes to it, and a device may do anything when it is opened.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

# Process substitution (``<(command)``) and here-documents are named like this.
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file, ``/dev/null``, or a pipe by the name of its descriptor, such as ``/dev/fd/63``.

    Raises `OSError`, for any other kind of file too.
    """
    # Without blocking, since a named pipe is opened only when it has a writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _check_kind(path, os.fstat(fd))
        os.set_blocking(fd, True)
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def _check_kind(path: Path, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode) or str(path).startswith(_DESCRIPTORS):
        return
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev:
        return
    kind = "named pipe" if stat.S_ISFIFO(found.st_mode) else "device"
    raise OSError(errno.EINVAL, f"Is a {kind}, not a regular file", str(path))
