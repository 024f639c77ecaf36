"""Where the bytes of a layer lie before it has its place in the archive."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from ...errors import StorageFailed
from ..files import send_some, storage_errors, write_at
from ..tar import TarWriter

_PIECE = 1024 * 1024


class Stretch:
    """The bytes of one layer: in a file of their own, or in the archive already, from ``start`` on.

    There they are where the layer belongs if all that comes before it turns out as long as was
    thought; `leave` takes them out again. Written by one thread at a time; `leave` and `expect` may
    be called from any, meanwhile.
    """

    def __init__(
        self, own: Path, archive: TarWriter | None = None, start: int = 0, *, limit: int | None = None
    ) -> None:
        """``own`` is the path for the file of their own; in ``archive`` members can be written ahead.

        There they keep to ``limit`` bytes, or to what is said with `expect`.
        """
        self.path, self._archive, self.start = own, archive, start
        self.size = 0
        self._limit = limit
        self._lock = threading.Lock()
        self._own: int | None = None
        self._complete = False

    @property
    def within(self) -> bool:
        """Whether the bytes are in the archive."""
        return self._archive is not None

    @property
    def end(self) -> int | None:
        """Where in the archive they end at the latest; None when that is not known."""
        return None if self._limit is None else self.start + self._limit

    def write(self, buffer: memoryview) -> None:
        with self._lock:
            if self._limit is not None and self.size + len(buffer) > self._limit:
                # What comes after this layer may be there already.
                self._leave()
            if self._archive is not None:
                write_at(self._archive.file, buffer, self.start + self.size, self._archive.path)
            else:
                write_at(self._opened(), buffer, self.size, self.path)
            self.size += len(buffer)

    def restart(self) -> None:
        """Forget what was written: the layer begins anew, where it began. Raises `StorageFailed`."""
        with self._lock:
            self.size = 0
            if self._own is not None:
                with storage_errors(f"writing {self.path}"):
                    os.ftruncate(self._own, 0)

    def expect(self, size: int) -> bool:
        """Keep to so many bytes of the archive; False when there are more of them already."""
        with self._lock:
            if self.size > size:
                return False
            self._limit = size
            return True

    def leave(self) -> None:
        """Move what is in the archive into a file of its own; what comes goes there, too. Raises `StorageFailed`."""
        with self._lock:
            self._leave()
            if self._complete:
                self._close()

    def complete(self) -> None:
        """There is no more to come."""
        with self._lock:
            self._complete = True
            self._limit = self.size
            if self._archive is None:
                self._opened()  # even for a layer of no bytes
            self._close()

    def remove(self) -> None:
        """It is not needed any more, wherever it is."""
        with self._lock:
            self._close()
            self.path.unlink(missing_ok=True)

    def _leave(self) -> None:
        if self._archive is None:
            return
        archive, own, done = self._archive, self._opened(), 0
        while done < self.size:
            with storage_errors(f"writing {self.path}"):
                os.lseek(own, done, os.SEEK_SET)
                count = send_some(own, archive.file, self.start + done, self.size - done)
                if count is None:
                    # Not this thread's buffer: what is to be written next may be in it.
                    piece = os.pread(archive.file, min(_PIECE, self.size - done), self.start + done)
                    write_at(own, memoryview(piece), done, self.path)
                    count = len(piece)
            if not count:
                raise StorageFailed(f"{archive.path} became shorter while it was written")
            done += count
        self._archive, self._limit = None, None

    def _opened(self) -> int:
        if self._own is None:
            directory = self.path.parent
            with storage_errors(f"creating {directory}"):
                directory.mkdir(mode=0o700, exist_ok=True)
            with storage_errors(f"creating {self.path}"):
                self._own = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        return self._own

    def _close(self) -> None:
        if self._own is not None:
            own, self._own = self._own, None
            with storage_errors(f"writing {self.path}"):
                os.close(own)
