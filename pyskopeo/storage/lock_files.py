"""Read and write lock files (`model.lock_file`)."""

from __future__ import annotations

from pathlib import Path

from ..config.user_files import open_user_file
from ..errors import StorageFailed
from ..model.lock_file import LOCK_LIMIT, LockFile
from .files import storage_errors
from .output_file import write_output
from .partial_files import write_atomically


def read_lock(path: Path) -> LockFile:
    """Read a lock file; raises `StorageFailed`, and what `LockFile.parse` raises."""
    try:
        content = _read(path)
    except StorageFailed as error:
        if isinstance(error.__cause__, FileNotFoundError):
            error.args = (f"{error}; pyskopeo lock writes it",)
        raise
    return LockFile.parse(content, str(path))


def write_lock(path: Path, lock: LockFile) -> bool:
    """Write a lock file, unless it has this content already: build tools look at its time.

    It is replaced as a whole; a pipe or a device is written to. Returns whether it was written. Raises `StorageFailed`.
    """
    content = lock.to_bytes()
    if path.is_file():
        if _read(path) == content:
            return False
    elif path.exists():
        write_output(path, content, f"writing {path}")
        return True
    write_atomically(path, content)
    return True


def _read(path: Path) -> bytes:
    with storage_errors(f"open {path}"), open_user_file(path) as file:
        return file.read(LOCK_LIMIT + 1)
