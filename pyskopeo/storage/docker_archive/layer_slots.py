"""Storage for the bytes of a layer until it is appended to a ``docker save`` archive.

The bytes are written into the archive itself, at the offset where the layer will probably be, or into a temporary file.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from ...errors import StorageFailed
from ...streams.cancellation import check_cancelled
from ..files import append_in_kernel, storage_errors, write_at
from ..scratch import create_directory
from ..tar import TarWriter

_PIECE = 1024 * 1024


class LayerSlot:
    """A `BlobSink` for one decompressed layer: in the archive at offset ``start``, or in the temporary file ``path``.

    ``start`` is a prediction: the layer can stay there if the layers before it have the predicted sizes; otherwise
    `move_out` moves it to the temporary file. `write` and `complete` are called by one thread at a time; `move_out` and
    `set_limit` may be called from other threads meanwhile. ``size`` is the number of bytes written.
    """

    def __init__(
        self, path: Path, archive: TarWriter | None = None, start: int = 0, *, limit: int | None = None
    ) -> None:
        """Without ``archive``, which must allow ``out_of_order`` writes, the layer is written to ``path``.

        In the archive it may take at most ``limit`` bytes; more are allowed if that is None, until `set_limit`.
        """
        self.path, self._archive, self.start = path, archive, start
        self.size = 0
        self._limit = limit
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._complete = False

    @classmethod
    def kept(cls, path: Path, archive: TarWriter | None, start: int, size: int) -> LayerSlot:
        """Return the slot of a layer of ``size`` bytes that an interrupted run has written, in the archive or a file.

        It is to be read, and then completed. Raises `StorageFailed`.
        """
        slot = cls(path, archive, start, limit=size)
        slot.size = size
        if archive is None:
            with storage_errors(f"opening {path}"):
                slot._fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        return slot

    @property
    def in_archive(self) -> bool:
        """Whether the bytes are in the archive, not in the temporary file."""
        return self._archive is not None

    @property
    def end(self) -> int | None:
        """The offset in the archive that the bytes will not exceed, or None if there is no limit."""
        return None if self._limit is None else self.start + self._limit

    def write(self, buffer: memoryview) -> None:
        """Append to the layer; raises `StorageFailed`."""
        with self._lock:
            if self._limit is not None and self.size + len(buffer) > self._limit:
                # The bytes after the limit may belong to another layer.
                self._move_out()
            if self._archive is not None:
                write_at(self._archive.file, buffer, self.start + self.size, self._archive.path)
            else:
                write_at(self._open_file(), buffer, self.size, self.path)
            self.size += len(buffer)

    def read_at(self, buffer: memoryview, offset: int) -> int:
        """Read bytes of the layer from ``offset`` on and return their number, 0 at its end; raises `StorageFailed`.

        For a layer that is not complete.
        """
        with self._lock, storage_errors(f"reading {self.path}"):
            wanted = buffer[: max(0, self.size - offset)]
            if self._archive is not None:
                return os.preadv(self._archive.file, [wanted], self.start + offset)
            return os.preadv(self._open_file(), [wanted], offset)

    def restart(self) -> None:
        """Discard what was written: the layer starts again at its first byte. Raises `StorageFailed`."""
        with self._lock:
            self.size = 0
            if self._fd is not None:
                with storage_errors(f"writing {self.path}"):
                    os.ftruncate(self._fd, 0)

    def set_limit(self, size: int) -> bool:
        """Limit the layer to ``size`` bytes of the archive; returns False, changing nothing, if it has more already."""
        with self._lock:
            if self.size > size:
                return False
            self._limit = size
            return True

    def move_out(self) -> None:
        """Move the bytes from the archive to the temporary file, where later writes go too.

        Raises `StorageFailed` and `Cancelled`.
        """
        with self._lock:
            self._move_out()
            if self._complete:
                self._close()

    def complete(self) -> None:
        """Close the slot after the last write; raises `StorageFailed`."""
        with self._lock:
            self._complete = True
            self._limit = self.size
            if self._archive is None:
                self._open_file()  # so that the file exists even if the layer is empty
            self._close()

    def remove(self) -> None:
        """Give up the layer's place, and remove the temporary file, if there is one."""
        with self._lock:
            self._archive = None  # so that another thread that is about to move it out does nothing
            self._close()
            self.path.unlink(missing_ok=True)

    def _move_out(self) -> None:
        if self._archive is None:
            return
        archive, fd, done = self._archive, self._open_file(), 0
        while done < self.size:
            check_cancelled()
            with storage_errors(f"writing {self.path}"):
                os.lseek(fd, done, os.SEEK_SET)
                count = append_in_kernel(fd, archive.file, self.start + done, self.size - done)
                if count is None:
                    # Not `thread_buffer`: it may hold the bytes that this thread is about to write.
                    piece = os.pread(archive.file, min(_PIECE, self.size - done), self.start + done)
                    write_at(fd, memoryview(piece), done, self.path)
                    count = len(piece)
            if not count:
                raise StorageFailed(f"{archive.path} became shorter while it was written")
            done += count
        self._archive, self._limit = None, None

    def _open_file(self) -> int:
        if self._fd is None:
            create_directory(self.path.parent)
            with storage_errors(f"creating {self.path}"):
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        return self._fd

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with storage_errors(f"writing {self.path}"):
                os.close(fd)
