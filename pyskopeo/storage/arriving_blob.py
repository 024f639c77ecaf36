"""A blob on its way into the content store, which others read as far as it has arrived."""

from __future__ import annotations

from io import FileIO
from typing import TYPE_CHECKING

from ..errors import InvalidContent, PyskopeoError
from ..streams.byte_streams import BlobSink
from ..streams.progress import uncounted
from .existing_blobs import blob_status
from .files import open_regular, storage_errors

if TYPE_CHECKING:
    from pathlib import Path

    from ..streams.pump import Blob
    from .existing_blobs import ExistingBlobs

# Seconds between two looks at how much of a blob has arrived.
_POLL = 0.02


class ArrivingBlob(BlobSink):
    """A blob that `ContentStore.receive` stores; ``blob`` is how it is read.

    Readers get its bytes from its temporary file before they are verified, but not the last one: so nobody gets a
    complete blob that is wrong. ``error`` is why it could not be stored.
    """

    def __init__(self, blob: Blob) -> None:
        from anyio import Event

        self.blob, self.size = blob, blob.descriptor.size
        self.error: PyskopeoError | None = None
        self._ended = Event()
        self._file: FileIO | None = None
        # Written in a worker thread: bytes that are in the file, and those that are in it after the next call.
        self._arrived = self._next = self._restarts = 0

    async def place(self, path: Path, existing: ExistingBlobs, mode: int) -> None:
        """Put the blob at ``path``, verified; what an earlier run has left of it is completed.

        Raises `StorageFailed`, and what reading the blob raises; readers get the same error.
        """
        from .part_files import open_part

        descriptor = self.blob.descriptor
        async with open_part(path, descriptor, resume=True, mode=mode, on_idle=existing.report_idle) as part:
            # Another process may have stored it while we waited.
            if blob_status(path, descriptor) is not None and await existing.holds(path, descriptor):
                self._open(path)
                return
            self._open(part.temporary)
            await self.blob.copy_to(part, uncounted, also=self)
            written = part.finish()
        existing.moved(written, path, descriptor.digest)

    def end(self, error: PyskopeoError | None = None) -> None:
        """Tell readers that all has arrived, or why it will not."""
        self.error = error
        self._ended.set()

    def close(self) -> None:
        """Close the file; call it when nobody reads any more."""
        if self._file is not None:
            self._file.close()

    async def begin(self) -> None:
        """Wait until there is a byte to read, or there will be none; raises the error if that is so."""
        from anyio import move_on_after

        while not self._ended.is_set() and self._readable() == 0:
            with move_on_after(_POLL):
                await self._ended.wait()
        if self._ended.is_set() and self.error is not None:
            raise self.error

    async def wait_for(self, offset: int, restarts: int) -> int:
        """Wait until there are bytes after ``offset``; return where they end.

        ``restarts`` is what `restarts` was when the reader began. Raises the error of `place`, and `InvalidContent` if
        bytes that were read before turn out to be wrong.
        """
        from anyio import move_on_after

        while True:
            if self.error is not None:
                raise self.error
            if self._restarts != restarts:
                raise InvalidContent(f"blob {self.blob.descriptor.digest}: what has arrived first was wrong")
            if (end := self._readable()) > offset:
                return end
            with move_on_after(_POLL):
                await self._ended.wait()

    @property
    def restarts(self) -> int:
        """How often the blob began anew."""
        return self._restarts

    @property
    def file(self) -> FileIO:
        """The file to read from; only after `begin`."""
        assert self._file is not None
        return self._file

    def _readable(self) -> int:
        if self._ended.is_set():
            return self.size if self.error is None else 0
        return min(self._arrived, max(0, self.size - 1))

    def _open(self, path: Path) -> None:
        with storage_errors(f"opening {path}"):
            self._file = FileIO(open_regular(path))

    def write(self, buffer: memoryview) -> None:
        """Note that bytes are about to be written, after all before them were."""
        self._arrived, self._next = self._next, self._next + len(buffer)

    def restart(self) -> None:
        """Note that the blob begins anew."""
        self._arrived = self._next = 0
        self._restarts += 1

