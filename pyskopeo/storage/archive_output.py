"""Where an archive is written to: a file that takes its name when it is complete, a pipe, standard output."""

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
from .files import FileSink, staged, storage_errors

_DESCRIPTOR = re.compile(
    r"-|/dev/(?P<name>stdin|stdout|stderr)|/(?:dev|proc/self)/fd/(?P<number>[0-9]{1,6})", re.ASCII
)
# Bytes that a writable pipe takes without blocking (POSIX: PIPE_BUF).
_PIECE = 512 if not hasattr(select, "PIPE_BUF") else select.PIPE_BUF
_POLL = 200  # milliseconds between two checks for cancellation


class PipeSink(FileSink):
    """A `FileSink` for a pipe or a terminal, whose reader may be slow; raises `Cancelled` while it waits."""

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
    """What writes to ``fd``: a `PipeSink` for all but regular files. ``path`` is for errors."""
    return FileSink(fd, path) if stat.S_ISREG(os.fstat(fd).st_mode) else PipeSink(fd, path)


def is_stream(path: Path) -> bool:
    """Whether writing to ``path`` means writing along, not making a file: ``-``, a pipe, a device."""
    if str(path) == "-":
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _descriptor(path: Path) -> int | None:
    """The number of a file descriptor we were started with, where ``path`` is a name for one.

    Even when a shell made it a plain file: its name in ``/dev`` is not ours to replace.
    """
    if match := _DESCRIPTOR.fullmatch(str(path)):
        return int(match["number"]) if match["number"] else {"stdin": 0, "stderr": 2}.get(match["name"] or "", 1)
    return None


def goes_along(path: Path) -> bool:
    """Whether an archive for ``path`` is written along as it comes: to a stream, or to any descriptor."""
    return is_stream(path) or _descriptor(path) is not None


def check_output(path: Path, *, replace: bool) -> None:
    """Refuse early what cannot work: a directory, a missing parent, a file not to be replaced.

    Raises `DestinationRefused` or `StorageFailed`.
    """
    if goes_along(path):
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
    if (number := _descriptor(path)) is not None:
        yield number, Path("/dev/stdout") if number == 1 else path
        return
    if not is_stream(path):
        # The file behind a symbolic link is replaced, not the link.
        with staged(Path(os.path.realpath(path))) as (fd, _):
            yield fd, path
        return
    with storage_errors(f"opening {path}"):
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        yield fd, path
    finally:
        os.close(fd)
