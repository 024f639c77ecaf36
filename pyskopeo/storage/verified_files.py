"""A record of files whose content was verified, so that they need not be read again while they stay as they are.

What identifies the state of a file is its device, inode and size, and when its content and its inode last changed.
A record vouches for a file only until the system is restarted: nothing is synced to the disk, so after a power failure
the content of a file may be lost although its size and times are as they were.
Where files have several names (the content store and what is linked to it), their inodes change whenever one of the
names is removed; for them, the time of their content decides alone, unless other users could have reset it. The record
is a text file with one line for each verified file, to which every process appends; it is kept in the user's cache
directory, not beside the files, whose directories have to be the same for everybody who copies the same image.
Without the file, or where it cannot be written, files are read again; nothing else is lost.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StorageFailed

if TYPE_CHECKING:
    from ..model.digest import Digest

# Bytes. A smaller file is hashed in less time than a record takes.
RECORDED_SIZE = 64 * 1024
_LIMIT = 16 * 1024 * 1024  # size in bytes at which the older half of the record is dropped
# Seconds. Two changes of a file within one tick of the system's clock cannot be told apart by its times, so a state
# that is not older than this is not recorded; on file systems with times in whole seconds, not one of the last two.
_TICK, _COARSE_TICK = 0.011, 2.0
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a named pipe would block for ever
_LARGE = 32 * 1024 * 1024  # bytes from which waiting for a tick costs less than hashing the file again
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class VerifiedFiles:
    """Which files have which content. ``path`` is the record, None to keep it in memory only.

    With ``linked``, files may get and lose hard links without being read again; see `is_private`.
    """

    def __init__(self, path: Path | None = None, *, linked: bool = False) -> None:
        self._path, self._linked = path, linked
        self._recorded: frozenset[bytes] | None = None
        self._known: set[bytes] = set()
        # What to append to the record: the last state of each file, by device and inode.
        self._new: dict[tuple[int, int], tuple[bytes, os.stat_result]] = {}

    def vouches(self, status: os.stat_result, digest: Digest) -> bool:
        """Return whether the file with this status is known to have the content with this digest."""
        line = self._line(status, digest)
        if line in self._known or status.st_size <= RECORDED_SIZE:
            return line in self._known
        if self._recorded is None:
            self._recorded = self._read()
        return line in self._recorded

    def add(self, status: os.stat_result, digest: Digest) -> None:
        """Add a file that was verified: ``status`` is that of the file, unchanged since before it was verified."""
        line = self._line(status, digest)
        self._known.add(line)
        if self._path is not None and status.st_size > RECORDED_SIZE:
            self._new[status.st_dev, status.st_ino] = line, status

    def save(self) -> None:
        """Append what was added to the record, for later runs; errors are ignored.

        May wait for a tick of the clock, see above; files that are too new are left for the next call.
        """
        if self._path is None or not self._new:
            return
        now = time.time()
        wait = max((_tick(status) - (now - self._changed(status)) for _, status in self._new.values()
                    if status.st_size >= _LARGE and _tick(status) == _TICK), default=0.0)  # fmt: skip
        if 0 < wait <= _TICK:
            time.sleep(wait)
            now = time.time()
        new = {file: line for file, (line, status) in self._new.items() if now - self._changed(status) >= _tick(status)}
        for file in new:
            del self._new[file]
        if new:
            with suppress(OSError, StorageFailed):
                self._append(b"".join(new.values()))

    def _line(self, status: os.stat_result, digest: Digest) -> bytes:
        state = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
        if not (self._linked and is_private(status)):
            state.append(status.st_ctime_ns)
        return f"{' '.join(map(str, state))} {digest} {_boot()}\n".encode()

    def _changed(self, status: os.stat_result) -> float:
        """Return when the state that the record has of a file last changed, in seconds since the epoch."""
        return status.st_mtime if self._linked and is_private(status) else status.st_ctime

    def _read(self) -> frozenset[bytes]:
        if self._path is None:
            return frozenset()
        try:
            with os.fdopen(os.open(self._path, os.O_RDONLY | _FLAGS), "rb") as file:
                # What others could have written vouches for nothing.
                found = file.read(2 * _LIMIT) if _is_record(os.fstat(file.fileno())) else b""
        except OSError:
            return frozenset()
        return frozenset(found.splitlines(keepends=True))

    def _append(self, content: bytes) -> None:
        """Append lines, in one write, which other processes do not interrupt; raises `OSError`."""
        assert self._path is not None
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _FLAGS, 0o600)
        try:
            if not _is_record(os.fstat(fd)):
                return
            os.write(fd, content)
            size = os.fstat(fd).st_size
        finally:
            os.close(fd)
        if size > _LIMIT:
            self._drop_older_half()

    def _drop_older_half(self) -> None:
        """Keep the newer half of the record; lines that other processes append meanwhile may be lost."""
        from .partial_files import staged

        assert self._path is not None
        lines = self._path.read_bytes().splitlines(keepends=True)
        with staged(self._path, 0o600) as (fd, _):
            os.write(fd, b"".join(lines[len(lines) // 2 :]))


@cache
def _boot() -> str:
    """Return what identifies this run of the system; "" where the system does not say, which is anything but Linux."""
    try:
        return _BOOT_ID.read_text()[:36].strip()
    except (OSError, UnicodeDecodeError):
        return ""


def is_private(status: os.stat_result) -> bool:
    """Return whether only this user, and root, can write to a file: nobody else can reset the time of its content."""
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_record(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and is_private(status)


def _tick(status: os.stat_result) -> float:
    return _TICK if status.st_ctime_ns % 1_000_000_000 else _COARSE_TICK
