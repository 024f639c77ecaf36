"""Temporary files and directories that are renamed when they are complete, and what killed runs left of them.

Each is locked with flock(2) by the process that writes it, so another process can tell whether it is still needed.
Their modes are what the umask says, unless they are private. Most have random names, and what a killed run leaves of
them is of no use; those that are kept for a later run have names that are the same in every run.
"""

from __future__ import annotations

import math
import os
import re
import stat
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..streams.pump import FileSink
from .files import storage_errors
from .kept_bytes import KEPT_BYTES
from .locks import try_lock

PARTIAL = ".partial"
REPLACED = ".old"
_SHOWN = 40  # characters of the final name in a temporary one, so that it fits wherever the final one does
_KEPT = ".kept"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PATIENCE = 1.0  # seconds
_NAME = re.compile(r"\.(?P<name>.{0,40})\.[0-9a-f]{12}(?P<kept>\.kept)?\.partial(?:\.old)?", re.DOTALL)


def partial_name(name: str) -> str:
    """Return a random hidden name for the temporary file or directory of ``name``."""
    return f".{shown_name(name)}.{os.urandom(6).hex()}{PARTIAL}"


def kept_name(name: str, key: str) -> str:
    """Return the hidden name, the same in every run, for the temporary file or directory of ``name``.

    ``key`` is a hexadecimal digest of what it is for, of which the last 12 characters become part of the name.
    """
    return f".{shown_name(name)}.{key[-12:]}{_KEPT}{PARTIAL}"


def is_kept(name: str) -> bool:
    """Return whether a name is one of `kept_name`."""
    found = _NAME.fullmatch(name)
    return found is not None and found["kept"] is not None


def is_partial(name: str) -> bool:
    """Return whether a file or directory is a temporary one of a copy that is running or was killed."""
    return _NAME.fullmatch(name) is not None


def final_name(name: str) -> str:
    """Return what the name of a temporary file shows of the final one, as `shown_name` does; "" for other files."""
    found = _NAME.fullmatch(name)
    return found["name"] if found else ""


def shown_name(name: str) -> str:
    """Return the beginning of a file's name, as temporary files for it have it in theirs."""
    return name.lstrip(".-")[:_SHOWN]


def partial_names(directory: Path) -> frozenset[str]:
    """Return which final names, as `shown_name` returns them, have temporary files in ``directory``; raises nothing."""
    try:
        return frozenset(map(final_name, filter(is_partial, os.listdir(directory))))
    except OSError:
        return frozenset()


def completed_names(directory: Path) -> Iterator[str]:
    """Yield the names of `kept_name` in a directory in which the files that they are for are complete; raises nothing.

    A process that was killed may have left such a file when another one had completed it.
    """
    with suppress(OSError):
        names = os.listdir(directory)
        complete = {shown_name(name) for name in names if not is_partial(name)}
        yield from (name for name in names if is_kept(name) and final_name(name) in complete)


@contextmanager
def staged(
    path: Path, mode: int = 0o666, *,
    open_file: Callable[[Path, int], tuple[int, Path]] | None = None, keep: Callable[[], bool] | None = None,
) -> Iterator[tuple[int, Path]]:  # fmt: skip
    """Create a temporary file in the directory of ``path``, and rename it to ``path`` if the context succeeds.

    Yields its file descriptor and its temporary path. ``mode`` is limited by the umask. ``open_file`` replaces
    `open_partial`. After any error the file is removed, unless it has a name of `kept_name` and ``keep`` returns True.
    Raises `StorageFailed`.
    """
    with storage_errors(f"creating {path}"):
        fd, temporary = (open_file or open_partial)(path, mode)
        try:
            held = os.dup(fd)  # keeps the lock until the file has its final name
        except OSError:
            os.close(fd)
            if not is_kept(temporary.name):
                temporary.unlink(missing_ok=True)
            raise
    try:
        try:
            yield fd, temporary
        finally:
            # Network file systems may report only here that the disk is full.
            with storage_errors(f"writing {path}"):
                os.close(fd)
        with storage_errors(f"writing {path}"):
            os.replace(temporary, path)
    except BaseException:
        if keep is not None and is_kept(temporary.name) and keep():
            KEPT_BYTES.add_file(os.fstat(held))
        else:
            temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(held)


def open_partial(path: Path, mode: int = 0o666) -> tuple[int, Path]:
    """Create and lock a temporary file in the directory of ``path``; return its file descriptor and its path.

    It stays locked until every copy of the descriptor is closed. Raises `OSError`.
    """
    while True:
        temporary = path.with_name(partial_name(path.name))
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        locked = False
        try:
            locked = _lock_new(fd, temporary)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            if not locked:
                os.close(fd)
        if locked:
            return fd, temporary


def create_partial_directory(path: Path, mode: int = 0o777) -> int:
    """Create and lock a temporary directory, whose name is from `partial_name`.

    Returns a file descriptor; the directory stays locked until that is closed. Raises `OSError`.
    """
    while True:
        path.mkdir(mode=mode)
        fd = os.open(path, _DIRECTORY)
        locked = False
        try:
            locked = _lock_new(fd, path)
        finally:
            if not locked:
                os.close(fd)
        if locked:
            return fd


async def lock_replaced(path: Path, on_wait: Callable[[], None]) -> int:
    """Open and lock a directory that is about to be moved out of the way, so that nobody takes it for a leftover.

    Returns a file descriptor, which releases the lock when it is closed. Waits while another process has it locked,
    which may be the one that has just put it there; ``on_wait`` is called after a second. Raises `OSError`.
    """
    from anyio import sleep

    since = time.monotonic()
    while True:
        fd = os.open(path, _DIRECTORY)
        try:
            if try_lock(fd) and os.path.samestat(os.fstat(fd), os.lstat(path)):
                return fd
        except FileNotFoundError:
            pass  # it was moved away meanwhile
        except OSError:
            return fd  # the file system has no locks: then nothing is ever taken for a leftover
        os.close(fd)
        await sleep(0.01)
        if time.monotonic() - since > _PATIENCE:
            on_wait()
            since = math.inf


def _lock_new(fd: int, path: Path) -> bool:
    """Lock what was just created; return False if another process, which took it for a leftover, has removed it."""
    try:
        if not try_lock(fd):
            return False
    except OSError:
        return True  # the file system has no locks: then nothing is ever taken for a leftover
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def remove_leftovers(
    directory: Path, name: str = "", *,
    restore: Path | None = None, age: float = math.inf, done: Container[str] = (),
) -> None:  # fmt: skip
    """Remove the temporary files and directories in ``directory`` that killed runs of this user left.

    With ``name`` only those for a file or directory of this name. ``restore`` is a directory that may have been moved
    out of the way by a run that was killed before it put the new one in its place: it is moved back if it is missing.
    What is kept for a later run is removed, whatever it is for, if it was last written more than ``age`` seconds ago,
    by default never, or if its name is in ``done``. Errors are ignored, since nothing depends on it.
    """
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found is None:
                continue
            kept = found["kept"] and not entry.name.endswith(REPLACED)
            if name and not kept and found["name"] != shown_name(name):
                continue
            with suppress(OSError):
                _remove_leftover(Path(entry.path), restore, age if kept and entry.name not in done else None)


def _remove_leftover(path: Path, restore: Path | None, age: float | None) -> None:
    """Remove a temporary file or directory unless it is in use or younger than ``age``; raises `OSError`."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        # The clock may have been set back since.
        if age is not None and abs(time.time() - status.st_mtime) <= age:
            return
        if status.st_uid != os.geteuid() or not try_lock(fd):
            return
        if stat.S_ISREG(status.st_mode):
            path.unlink()
        elif stat.S_ISDIR(status.st_mode):
            if restore is not None and path.name.endswith(REPLACED) and not os.path.lexists(restore):
                path.rename(restore)
            else:
                remove_tree(path)
    finally:
        os.close(fd)


def remove_tree(path: Path) -> None:
    """Remove a directory that we created, if it exists; errors are ignored."""
    if path.exists():
        import shutil

        shutil.rmtree(path, ignore_errors=True)


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace the content of a small file; readers see the old or the new content. Raises `StorageFailed`.

    ``mode`` is that of the file, limited by the umask.
    """
    with staged(path, mode) as (fd, _):
        FileSink(fd, path).write(memoryview(content))
