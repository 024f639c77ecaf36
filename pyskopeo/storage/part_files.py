"""Part files: the temporary file of a blob that is fetched, under a name that is the same in every run.

A part file is three things. Its content is what has arrived of the blob: a later run verifies that, and fetches the
rest. Its lock (flock(2)) makes all but one of the tasks and processes that want the blob wait, until it is there or the
one that holds the lock has ended, however it ended. And where parts are written out of order, a journal of those that
are complete is at the end of the file, after the blob's size.

Nothing in it is trusted: it is verified as a whole before it gets its final name. A file under this name that belongs
to somebody else, or is a link, is left alone, and so is one where the file system has no locks: then the blob gets a
temporary file with a random name, which is not kept.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, StorageFailed
from ..streams.byte_streams import PartSink
from ..streams.pump import FileSink
from .files import storage_errors, write_at
from .kept_bytes import KEPT_BYTES
from .kept_files import ATTEMPTS, is_at, is_ours, new_mode, open_stable
from .locks import try_lock
from .partial_files import kept_name, open_partial

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor

# Bytes. Less than this is fetched again in the time of a request.
MIN_KEPT = 64 * 1024
# Seconds that the holder of a lock may write nothing before the blob is fetched by another task or process as well. If
# it has written nothing for longer when it is found, it is watched for the second time only.
_PATIENCE, _GLANCE = 20.0, 1.0
_JOURNAL = b"pyskopeo parts 1"
_RECORD = 16  # bytes: start and end of a part
_STEP = 256 * 1024  # bytes that are written in order before they are noted in the journal
_TOUCH = 64 * 1024 * 1024  # bytes that are read back before others are shown that the file is in use


class PartFile(FileSink, PartSink):
    """A `PartSink` for a blob of ``size`` bytes, over the file ``temporary`` that is to become ``path``.

    ``stable`` says that ``temporary`` is the name in every run; ``finished`` that `finish` was called.
    """

    def __init__(self, fd: int, path: Path, temporary: Path, size: int, *, stable: bool) -> None:
        super().__init__(fd, path)
        self.temporary, self.stable, self.finished = temporary, stable, False
        self.kept, self.parts = 0, ()
        self._size = size
        self._lock = threading.Lock()
        # Where the journal ends; None while all is written in order. Bytes from `_noted` on are not in it yet.
        self._journal: int | None = None
        self._noted = self._read = 0
        self._changed = False

    def adopt(self, mode: int) -> bool:
        """Keep what an earlier run has written; False if it is not worth it, or could have been written by others.

        Raises `OSError`.
        """
        status = os.fstat(self.fd)
        # Another mode than a new file has here would be too open for the umask of today, or was when it was written.
        if status.st_nlink != 1 or stat.S_IMODE(status.st_mode) != new_mode(self.path, mode):
            return False
        found = [(0, status.st_size)]
        if status.st_size > self._size:
            found = self._read_journal(status.st_size)
        os.utime(self.fd)  # somebody is at work on it again
        if sum(end - start for start, end in found) < MIN_KEPT:
            return False
        self.kept = found.pop(0)[1]
        self.parts = tuple(found)
        self._written = self._noted = os.lseek(self.fd, self.kept, os.SEEK_SET)
        os.utime(self.fd)
        return True

    def write(self, buffer: memoryview) -> None:
        self._changed = True
        super().write(buffer)
        if self._journal is not None and self._written - self._noted >= _STEP:
            self._note()

    def restart(self) -> None:
        self._changed = True
        with storage_errors(f"writing {self.path}"):
            os.ftruncate(self.fd, 0)
            os.lseek(self.fd, 0, os.SEEK_SET)
        self.kept, self.parts, self._journal = 0, (), None
        self._written = self._noted = 0

    def read_at(self, buffer: memoryview, offset: int) -> int:
        with storage_errors(f"reading {self.temporary}"):
            count = os.preadv(self.fd, [buffer[: max(0, self._size - offset)]], offset)
            self._read += count
            if self._read >= _TOUCH:
                self._read = 0
                os.utime(self.fd)
        return count

    def write_at(self, buffer: memoryview, offset: int) -> None:
        self._changed = True
        self._begin_journal()
        write_at(self.fd, buffer, offset, self.path)

    def part_written(self, start: int, end: int) -> None:
        self._begin_journal()
        with self._lock:
            assert self._journal is not None
            write_at(self.fd, memoryview(_record(start, end)), self._journal, self.path)
            self._journal += _RECORD

    def skip_to(self, offset: int) -> None:
        if self._journal is not None and self._noted < self._written:
            self._note()
        with storage_errors(f"writing {self.path}"):
            self._written = self._noted = os.lseek(self.fd, offset, os.SEEK_SET)

    def finish(self) -> os.stat_result:
        """Remove the journal, since the blob is complete and verified; returns the file's status.

        Raises `StorageFailed`.
        """
        with storage_errors(f"writing {self.path}"):
            if self._journal is not None:
                os.ftruncate(self.fd, self._size)
            self.finished = True
            return os.fstat(self.fd)

    def is_worth_keeping(self, *, wrong: bool) -> bool:
        """Note the last bytes in the journal; returns whether a later run should go on with this file.

        ``wrong`` is whether the source sent wrong content, which is in the file unless this run has written nothing.
        """
        if wrong and self._changed:
            return False
        if self._journal is not None and self._noted < self._written:
            with suppress(StorageFailed):
                self._note()
        return self.stable and os.fstat(self.fd).st_size >= MIN_KEPT

    def _note(self) -> None:
        start, self._noted = self._noted, self._written
        self.part_written(start, self._noted)

    def _begin_journal(self) -> None:
        """Write the first record, before anything is written out of order: from then on the size says nothing."""
        if self._journal is not None:
            return
        with self._lock:
            if self._journal is None:
                self._noted = self._written
                content = _JOURNAL + _record(0, self._noted)
                write_at(self.fd, memoryview(content), self._size, self.path)
                self._journal = self._size + len(content)

    def _read_journal(self, end: int) -> list[tuple[int, int]]:
        """Return the parts that the journal names, joined and in order; none if it is not one. Raises `OSError`."""
        limit = len(_JOURNAL) + _RECORD * (4096 + 2 * self._size // _STEP)
        content = os.pread(self.fd, limit, self._size) if end - self._size <= limit else b""
        if not content.startswith(_JOURNAL):
            return [(0, 0)]
        records = range(len(_JOURNAL), len(content) - _RECORD + 1, _RECORD)
        self._journal = self._size + len(_JOURNAL) + _RECORD * len(records)
        found = sorted(_parse_record(content[at : at + _RECORD]) for at in records)
        joined = [(0, 0)]
        for start, stop in found:
            if not start < stop <= self._size:
                continue
            if start > joined[-1][1]:
                joined.append((start, stop))
            else:
                joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        return joined


def _record(start: int, end: int) -> bytes:
    return start.to_bytes(8, "little") + end.to_bytes(8, "little")


def _parse_record(record: bytes) -> tuple[int, int]:
    return int.from_bytes(record[:8], "little"), int.from_bytes(record[8:], "little")


@asynccontextmanager
async def open_part(
    path: Path, descriptor: Descriptor, *,
    resume: bool, mode: int = 0o666, on_idle: Callable[[Path], None] | None = None,
) -> AsyncIterator[PartFile]:  # fmt: skip
    """Open and lock the part file of a blob, and rename it to ``path`` if the context succeeds and has finished it.

    Waits while another task or process writes it, which may mean that the blob is at ``path`` afterwards. After an
    error the file stays, unless there is wrong content in it, for a later run, if ``resume`` is set and it has
    `MIN_KEPT` bytes; otherwise it is removed, as it is if the context leaves it unfinished. Without ``resume`` nothing
    that an earlier run has left is used. ``mode`` is limited by the umask. ``on_idle`` is called with the path of a
    part file whose writer is not waited for any more, since it does nothing. Raises `StorageFailed`.
    """
    with storage_errors(f"creating {path}"):
        part = await _open(path, descriptor, resume=resume, mode=mode, on_idle=on_idle)
        try:
            held = os.dup(part.fd)  # keeps the lock until the file has its final name
        except OSError:
            os.close(part.fd)
            if not part.kept:
                part.temporary.unlink(missing_ok=True)
            raise
    keep = False
    try:
        try:
            yield part
        finally:
            written, part.fd = part.fd, held
            # Network file systems may report only here that the disk is full.
            with storage_errors(f"writing {path}"):
                os.close(written)
        if part.finished:
            with storage_errors(f"writing {path}"):
                os.replace(part.temporary, path)
            keep = True
    except BaseException as error:
        keep = resume and part.is_worth_keeping(wrong=isinstance(error, InvalidContent))
        raise
    finally:
        if not keep:
            part.temporary.unlink(missing_ok=True)
        elif not part.finished:
            KEPT_BYTES.add_file(os.fstat(held))
        os.close(held)


async def _open(
    path: Path, descriptor: Descriptor, *, resume: bool, mode: int, on_idle: Callable[[Path], None] | None
) -> PartFile:
    """Open and lock the part file, or a temporary file with a random name; raises `OSError`."""
    size, temporary = descriptor.size, path.with_name(kept_name(path.name, descriptor.digest.hex))
    for _ in range(ATTEMPTS):
        try:
            fd, found = open_stable(temporary, mode)
        except FileNotFoundError:
            continue  # complete or removed since
        if fd is None:
            break
        part = PartFile(fd, path, temporary, size, stable=True)
        try:
            usable = await _lock(part, found=found, on_idle=on_idle)
            if usable and (not found or (resume and part.adopt(mode))):
                return part
            if usable:
                temporary.unlink(missing_ok=True)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        if usable is None:
            break
    fd, temporary = open_partial(path, mode)
    return PartFile(fd, path, temporary, size, stable=False)


async def _lock(part: PartFile, *, found: bool, on_idle: Callable[[Path], None] | None) -> bool | None:
    """Lock a part file as soon as it is free.

    Returns True if it is locked and still has its name, False if it has to be opened again, None if it cannot be used:
    it belongs to another user, the process with the lock has written nothing for `_PATIENCE`, or the file system has
    no locks. ``on_idle`` is as for `open_part`.
    """
    if found and not is_ours(os.fstat(part.fd)):
        return None
    try:
        locked = try_lock(part.fd) or await _wait_for_lock(part.fd)
    except OSError:
        if not found:
            part.temporary.unlink(missing_ok=True)
        return None
    if not locked:
        if on_idle is not None:
            on_idle(part.temporary)
        return None
    return is_at(part.fd, part.temporary)


async def _wait_for_lock(fd: int) -> bool:
    from anyio import sleep

    status = os.fstat(fd)
    pause, written, since = 0.002, status.st_mtime_ns, time.monotonic()
    patience = min(_GLANCE, _PATIENCE) if time.time() - status.st_mtime > _PATIENCE else _PATIENCE
    while not try_lock(fd):
        await sleep(pause)
        pause = min(pause * 1.5, 0.05)
        now = os.fstat(fd).st_mtime_ns
        if now != written:
            written, since, patience = now, time.monotonic(), _PATIENCE
        elif time.monotonic() - since > patience:
            return False
    return True
