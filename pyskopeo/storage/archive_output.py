"""Open the output for an archive: a file that is renamed into place when complete, a pipe or standard output."""

from __future__ import annotations

import errno
import os
import re
import select
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DestinationRefused, StorageFailed
from ..model.digest import Digest
from ..streams.cancellation import check_cancelled
from ..streams.pump import FileSink
from .files import storage_errors
from .partial_files import kept_name, remove_leftovers, staged

_DESCRIPTOR = re.compile(
    r"-|/dev/(?P<name>stdin|stdout|stderr)|/(?:dev|proc/self)/fd/(?P<number>[0-9]{1,6})", re.ASCII
)
# The number of bytes that can be written to a pipe without blocking once it polls as writable (POSIX: PIPE_BUF).
_PIECE = 512 if not hasattr(select, "PIPE_BUF") else select.PIPE_BUF
_POLL = 200  # milliseconds between two checks for cancellation
_STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}


class PipeSink(FileSink):
    """A `FileSink` for a pipe or a terminal, where a slow reader may block writing for long.

    `write` raises `Cancelled` while it waits, and `StorageFailed`; so does `restart`, since what was written cannot be
    taken back.
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
                count = os.write(self.fd, buffer[:_PIECE])
                self._written += count
                buffer = buffer[count:]

    def restart(self) -> None:
        if self._written:
            raise StorageFailed(
                f"{self._written} bytes were written to {self.path} before they turned out to be wrong: do not use them"
            )


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


def inherited_descriptor(path: Path, *, dash: int) -> int | None:
    """Return the number of the file descriptor that ``path`` names (``/dev/stdout``, ``/dev/fd/3``), or None.

    ``dash`` is the number that ``-`` stands for. A shell may have opened a regular file on it; still, ``/dev/stdout``
    must be written to, never renamed over.
    """
    if match := _DESCRIPTOR.fullmatch(str(path)):
        return int(match["number"]) if match["number"] else _STANDARD.get(match["name"] or "", dash)
    return None


def check_descriptor(number: int, path: Path, *, writing: bool) -> None:
    """Raise `StorageFailed` unless a file descriptor is one that the process was started with, open for this use.

    ``path`` is its name in errors. A descriptor that was closed then may be a socket or a queue of the event loop now.
    """
    import fcntl

    what = f"{'writing' if writing else 'reading'} {path}"
    with storage_errors(what):
        mode = os.fstat(number).st_mode
        wrong = os.O_RDONLY if writing else os.O_WRONLY
        usable = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != wrong
        # Python opens everything so that children do not inherit it; what a shell opened for us is inherited.
        own = not os.get_inheritable(number) and (stat.S_ISSOCK(mode) or not stat.S_IFMT(mode))
        if not usable or own or (number < 3 and (sys.__stdin__, sys.__stdout__, sys.__stderr__)[number] is None):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def is_written_directly(path: Path) -> bool:
    """Return whether an archive for ``path`` is written straight to it, as opposed to a temporary file that is renamed.

    True for streams and for names of file descriptors that the process was started with.
    """
    return is_stream(path) or inherited_descriptor(path, dash=1) is not None


def check_output(path: Path, *, replace: bool) -> None:
    """Check that an archive can be written to ``path``, before any work is done; changes nothing.

    Raises `DestinationRefused` for a directory, and for a file with content unless ``replace``; raises `StorageFailed`
    if the parent directory does not exist, and for standard output that is closed.
    """
    if (number := inherited_descriptor(path, dash=1)) is not None:
        check_descriptor(number, _shown(path, number), writing=True)
        return
    if is_stream(path):
        return
    if path.is_dir():
        raise DestinationRefused(f"{path} is a directory, want the path of a file")
    if not path.parent.is_dir():
        raise StorageFailed(f"creating {path}: no directory {path.parent}")
    if not replace and path.exists() and path.stat().st_size:
        raise DestinationRefused(
            f"{path}: docker-archive doesn't support modifying existing images: "
            "remove it first, or write to another file"
        )


@contextmanager
def open_output(path: Path, *, replace: bool, keep: Callable[[], bool] | None = None) -> Iterator[tuple[int, Path]]:
    """Open ``path`` for an archive; yields a file descriptor, and the path to name in errors.

    A regular file is written under a temporary name and renamed when the context is left without an error. With
    ``keep`` it may have content from an interrupted run at the beginning, and stays for a later run after an error if
    ``keep`` returns True then. May wait for the reader of a named pipe: for a worker thread. Raises
    `DestinationRefused` and `StorageFailed` as `check_output` does, `StorageFailed` for what the system refuses, and
    `Cancelled`.
    """
    check_output(path, replace=replace)
    if (number := inherited_descriptor(path, dash=1)) is not None:
        yield number, _shown(path, number)
        return
    if not is_stream(path):
        # The file behind a symbolic link is replaced, not the link.
        target = Path(os.path.realpath(path))
        with staged(target, open_file=None if keep is None else _open_kept, keep=keep) as (fd, _):
            yield fd, path
        remove_leftovers(target.parent, target.name, done={kept_name(target.name, _key(target))})
        return
    fd = _open_stream(path)
    try:
        yield fd, path
    finally:
        os.close(fd)


def open_interrupted(path: Path) -> tuple[int, Path] | None:
    """Open and lock what an interrupted run has left of the archive for ``path``, with ``keep`` of `open_output`.

    Returns a file descriptor and the temporary path; None if there is nothing.
    """
    if is_written_directly(path):
        return None
    from .kept_files import lock_kept_file

    target = Path(os.path.realpath(path))
    temporary = target.with_name(kept_name(target.name, _key(target)))
    fd = lock_kept_file(temporary)
    return None if fd is None else (fd, temporary)


def _open_kept(path: Path, mode: int) -> tuple[int, Path]:
    from .kept_files import open_kept_file

    return open_kept_file(path, mode, key=_key(path))


def _key(path: Path) -> str:
    return Digest.of(b"archive " + os.fsencode(path)).hex


def _open_stream(path: Path) -> int:
    """Open a pipe or a device for writing; waits until somebody reads from a named pipe, which can be cancelled."""
    with storage_errors(f"opening {path}"):
        while True:
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO or not path.is_fifo():
                    raise
                check_cancelled()
                time.sleep(_POLL / 1000)
            else:
                os.set_blocking(fd, True)
                return fd


def _shown(path: Path, number: int) -> Path:
    """Return the name of an inherited file descriptor in errors."""
    return Path("/dev/stdout") if number == 1 else path
