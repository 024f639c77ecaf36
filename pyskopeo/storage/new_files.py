"""Files that are created with their whole content, and never replace another one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..streams.pump import FileSink
from .files import storage_errors
from .partial_files import open_partial


def create_file(path: Path, content: bytes, mode: int, what: str) -> None:
    """Create a small file, whose ``mode`` is limited by the umask; it has its name when it is complete.

    Raises `StorageFailed`, with the message "what: reason", also if there is a file of this name.
    """
    with storage_errors(what):
        fd, temporary = open_partial(path, mode)
        try:
            FileSink(fd, path).write(memoryview(content))
            os.fsync(fd)
            _name(temporary, path)
        finally:
            os.close(fd)
            temporary.unlink(missing_ok=True)


def _name(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except OSError as error:
        if isinstance(error, FileExistsError):
            raise
        _rename(temporary, path)  # the file system has no hard links


def _rename(temporary: Path, path: Path) -> None:
    # Reserves the name, so that the renaming replaces nothing but this.
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
