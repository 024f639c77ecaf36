"""Open the output for an archive: a file that is renamed into place when complete, a pipe or standard output."""

from __future__ import annotations

import os
import re
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DestinationRefused, StorageFailed
from ..streams.cancellation import check_cancelled
from ..streams.pump import FileSink
from .files import storage_errors
from .partial_files import remove_leftovers, staged

_DESCRIPTOR = re.compile(
    r"-|/dev/(?P<name>stdin|stdout|stderr)|/(?:dev|proc/self)/fd/(?P<number>[0-9]{1,6})", re.ASCII
)
# The number of bytes that can be written to a pipe without blocking once it polls as writable (POSIX: PIPE_BUF).
_PIECE = 512 if not hasattr(select, "PIPE_BUF") else select.PIPE_BUF
_POLL = 200  # milliseconds between two checks for cancellation


class PipeSink(FileSink):
    """A `FileSink` for a pipe or a terminal, where a slow reader may block writing for long.

    `write` raises `Cancelled` while it waits, and `StorageFailed`.
    """

    def __init__(self, fd: int, path: Path) -> None:
        super().__init__(fd, path)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, buffer: memoryview) -> None:
        with storage_errors(f"writing {self.path}"):
            while len(buffer):
                while not self._poll.poll(_POLL):
                    check_cancelled()
                buffer = buffer[os.write(self.fd, buffer[:_PIECE]) :]


def sink_for(fd: int, path: Path) -> FileSink:
    """Return a sink that writes to ``fd``: a `PipeSink` unless it is a regular file. ``path`` is named in errors."""
    return FileSink(fd, path) if stat.S_ISREG(os.fstat(fd).st_mode) else PipeSink(fd, path)


def is_stream(path: Path) -> bool:
    """Return whether ``path`` is ``-``, a pipe, a device or a socket, not a regular file, a directory or nothing."""
    if str(path) == "-":
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _inherited_descriptor(path: Path) -> int | None:
    """Return the number of the file descriptor that ``path`` names (``-``, ``/dev/stdout``, ``/dev/fd/3``), or None.

    A shell may have opened a regular file on it; still, ``/dev/stdout`` must be written to, never renamed over.
    """
    if match := _DESCRIPTOR.fullmatch(str(path)):
        return int(match["number"]) if match["number"] else {"stdin": 0, "stderr": 2}.get(match["name"] or "", 1)
    return None


def is_written_directly(path: Path) -> bool:
    """Return whether an archive for ``path`` is written straight to it, as opposed to a temporary file that is renamed.

    True for streams and for names of file descriptors that the process was started with.
    """
    return is_stream(path) or _inherited_descriptor(path) is not None


def check_output(path: Path, *, replace: bool) -> None:
    """Check that an archive can be written to ``path``, before any work is done; changes nothing.

    Raises `DestinationRefused` for a directory, and for a file with content unless ``replace``; raises `StorageFailed`
    if the parent directory does not exist.
    """
    if is_written_directly(path):
        return
    if path.is_dir():
        raise DestinationRefused(f"{path} is a directory, want the path of a file")
    if not path.parent.is_dir():
        raise StorageFailed(f"creating {path}: no directory {path.parent}")
    if not replace and path.exists() and path.stat().st_size:
        raise DestinationRefused(f"{path}: docker-archive doesn't support modifying existing images")


@contextmanager
def open_output(path: Path, *, replace: bool) -> Iterator[tuple[int, Path]]:
    """Open ``path`` for an archive; yields a file descriptor, and the path to name in errors.

    A regular file is written under a temporary name and renamed when the context is left without an error. Raises
    `DestinationRefused` and `StorageFailed` as `check_output` does, and `StorageFailed` for what the system refuses.
    """
    check_output(path, replace=replace)
    if (number := _inherited_descriptor(path)) is not None:
        yield number, Path("/dev/stdout") if number == 1 else path
        return
    if not is_stream(path):
        # The file behind a symbolic link is replaced, not the link.
        target = Path(os.path.realpath(path))
        with staged(target) as (fd, _):
            yield fd, path
        remove_leftovers(target.parent, target.name)
        return
    with storage_errors(f"opening {path}"):
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        yield fd, path
    finally:
        os.close(fd)
