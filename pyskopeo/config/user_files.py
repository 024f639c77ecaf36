"""Reading of small configuration files, and the location of those of the user."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from ..errors import InvalidInput, StorageFailed, TooLarge

LIMIT = 1024 * 1024
"""The largest configuration file that is read, in bytes."""
AUTH_FILES = "containers-auth.json"
"""What stands for the user's auth files in the ``credential-helpers`` of ``registries.conf``."""

# Process substitution (``<(command)``) and here-documents are named like this.
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")


def user_config_directory(environ: Mapping[str, str], home: Path) -> Path:
    """Return ``$XDG_CONFIG_HOME/containers``, by default ``~/.config/containers``."""
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "containers")


def is_inaccessible(path: Path) -> bool:
    """Return whether access to the path is denied, as in another user's home; skopeo treats it as missing."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def read_text(path: Path, *, must_exist: bool = False, limit: int = LIMIT) -> str | None:
    """Return the text of a UTF-8 file; None if it does not exist or `is_inaccessible`, unless it ``must_exist``.

    Raises `StorageFailed`, `TooLarge` over ``limit`` bytes, and `InvalidInput` if it is not UTF-8.
    """
    if not must_exist and is_inaccessible(path):
        return None
    try:
        with open_user_file(path) as file:
            raw = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise StorageFailed.of(error, f"open {path}") from None
        return None
    except OSError as error:
        raise StorageFailed.of(error, f"open {path}") from None
    if len(raw) > limit:
        raise TooLarge(f"{path} is over the limit of {limit} bytes", limit=limit)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a file; raises `StorageFailed`, also if it does not exist, and `TooLarge`.

    ``limit`` is in bytes. Raises `ValueError` for a path that no file can have.
    """
    try:
        with open_user_file(path) as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise StorageFailed.of(error, f"open {path}") from None
    if len(raw) > limit:
        raise TooLarge(f"{path} is over the limit of {limit} bytes", limit=limit)
    return raw


def open_user_file(path: Path) -> BinaryIO:
    """Open a regular file, ``/dev/null``, or a pipe by the name of its descriptor, such as ``/dev/fd/63``.

    Raises `OSError`, for any other kind of file too.
    """

    def accepts(found: os.stat_result) -> bool:
        if stat.S_ISREG(found.st_mode) or str(path).startswith(_DESCRIPTORS):
            return True
        return stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev

    fd = open_file(path, accepts)
    os.set_blocking(fd, True)
    return open(fd, "rb")


def open_file(path: Path, accepts: Callable[[os.stat_result], bool]) -> int:
    """Open a file for reading, if ``accepts`` returns True for its status; return its descriptor, which does not block.

    A named pipe would block until somebody writes to it, and a device may do anything when it is opened. Symbolic links
    are followed. Raises `OSError`, for files that are not accepted too.
    """
    # Without blocking, since a named pipe is opened only when it has a writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not accepts(found):
            kind = "named pipe" if stat.S_ISFIFO(found.st_mode) else "device"
            raise OSError(errno.EINVAL, f"Is a {kind}, not a regular file", str(path))
    except BaseException:
        os.close(fd)
        raise
    return fd
