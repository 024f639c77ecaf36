"""What an interrupted run has left of an OCI archive that it was assembling: the blobs that were in it already.

Each file of the layout that becomes the archive is removed when it is in there. The next run takes them from here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PyskopeoError
from .archive_output import open_interrupted
from .files import digest_name
from .tar import TarIndex

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..streams.locations import LocalFile


class InterruptedArchive:
    """The blobs in what is left of the archive for ``path``; it is locked until `close`. None of them is verified."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._index: TarIndex | None = None

    def open(self) -> None:
        """Find out which blobs there are; for a worker thread. Raises `Cancelled`."""
        found = open_interrupted(self._path)
        if found is None:
            return
        self._fd, place = found
        try:
            self._index = TarIndex.read(place, incomplete=True)
        except PyskopeoError:
            self.close()

    def locate(self, descriptor: Descriptor) -> LocalFile | None:
        """Return where the bytes of a blob may be, None if they are not there."""
        if self._index is None:
            return None
        try:
            location = self._index.locate(f"blobs/{digest_name(descriptor.digest)}")
        except (NotFound, InvalidContent):
            return None
        return location if location.size == descriptor.size else None

    def close(self) -> None:
        """Release the lock: the archive is about to be written, to this file."""
        self._index = None
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)
