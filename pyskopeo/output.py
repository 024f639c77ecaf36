"""Where an archive is written to: a file that appears when it is whole, a pipe, standard output."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DestinationRefused, StorageFailed
from .files import staged, storage_errors


def is_stream(path: Path) -> bool:
    """Whether writing to ``path`` means writing along, not making a file: ``-``, a pipe, a device."""
    if str(path) == "-":
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_output(path: Path, *, replace: bool) -> None:
    """Refuse early what cannot work: a directory, a missing parent, a file not to be replaced.

    Raises `DestinationRefused` or `StorageFailed`.
    """
    if is_stream(path):
        return
    if path.is_dir():
        raise DestinationRefused(f"{path} is a directory, want the path of a file")
    if not path.parent.is_dir():
        raise StorageFailed(f"creating {path}: no directory {path.parent}")
    if not replace and path.exists() and path.stat().st_size:
        raise DestinationRefused(f"{path}: docker-archive doesn't support modifying existing images")


@contextmanager
def open_output(path: Path, *, replace: bool) -> Iterator[tuple[int, Path]]:
    """A file descriptor to write an archive to; a file takes its name on success only."""
    check_output(path, replace=replace)
    if not is_stream(path):
        with staged(path) as (fd, _):
            yield fd, path
        return
    if str(path) in ("-", "/dev/stdout"):
        yield 1, Path("/dev/stdout")
        return
    with storage_errors(f"opening {path}"):
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        yield fd, path
    finally:
        os.close(fd)
