"""Decide whether a file that is at a destination already is the blob that it should be."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, PyskopeoError
from ..model.verifier import Verifier
from ..streams.cancellation import run_in_thread
from ..streams.progress import uncounted
from ..streams.pump import FileReader, NullSink, pump
from .files import open_regular
from .verified_files import RECORDED_SIZE, VerifiedFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest


class ExistingBlobs:
    """Decides whether a file that is there already is a certain blob, by its content.

    A file is read and hashed unless ``verified`` vouches for it; with ``always`` it is hashed in any case. ``warn`` is
    called, once for each file, with a message about one that has the blob's size and other content.
    """

    def __init__(
        self, verified: VerifiedFiles | None = None, *, always: bool = False, warn: Callable[[str], None] | None = None
    ) -> None:
        self.verified = VerifiedFiles() if verified is None else verified
        self._always, self._warn = always, warn
        self._warned: set[Path] = set()
        self._reported_idle = False

    async def holds(self, path: Path, descriptor: Descriptor) -> bool:
        """Return whether the file at ``path`` is the blob."""
        status = blob_status(path, descriptor)
        if status is None:
            return False
        if not self._always and self.verified.vouches(status, descriptor.digest):
            return True
        try:
            status = await _hash_file(path, descriptor)
        except ContentMismatch:
            if self._warn is not None and path not in self._warned:
                self._warned.add(path)
                self._warn(f"{path} has the size of blob {descriptor.digest} but other content, so it is written again")
            return False
        except (PyskopeoError, OSError):
            return False
        if status is not None:
            self.verified.add(status, descriptor.digest)
        return True

    def report_idle(self, part: Path) -> None:
        """Warn, once, of a process that has locked the part file of a blob, and does nothing."""
        if self._warn is not None and not self._reported_idle:
            self._reported_idle = True
            self._warn(f"{part} is locked by a process that writes nothing to it, so its blob is fetched here as well")

    def moved(self, before: os.stat_result, path: Path, digest: Digest) -> None:
        """Note that a file that had this digest when its status was ``before`` is at ``path`` now.

        Renaming and linking a file change the time of its inode, but not that of its content.
        """
        try:
            after = os.stat(path)
        except OSError:
            return
        if content_state(before) == content_state(after):
            self.verified.add(after, digest)


def content_state(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return what changes when the content of a file changes, and not when its names do."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def blob_status(path: Path, descriptor: Descriptor) -> os.stat_result | None:
    """Return the status of a regular file that has the blob's size, else None."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) and status.st_size == descriptor.size else None


async def _hash_file(path: Path, descriptor: Descriptor) -> os.stat_result | None:
    """Verify the content of a file; return its status, or None if it changed meanwhile. Raises `ContentMismatch`."""
    fd = open_regular(path)
    try:
        before = os.fstat(fd)

        def work() -> None:
            pump(FileReader(fd, path, 0, descriptor.size + 1), NullSink(), Verifier(descriptor), uncounted)

        if descriptor.size <= RECORDED_SIZE:
            work()  # in less time than it takes to start a thread
        else:
            await run_in_thread(work)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    unchanged = content_state(before) == content_state(after) and before.st_ctime_ns == after.st_ctime_ns
    return after if unchanged else None
