"""Blobs that are in several files, one piece after another."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from ..fast_dataclass import dataclass
from ..storage.files import open_regular
from ..streams.byte_streams import BlobReader
from ..streams.locations import LocalFile
from ..streams.pump import FileReader


@dataclass(frozen=True, slots=True)
class Extent:
    """``size`` bytes from ``offset`` of a file."""

    path: Path
    offset: int
    size: int

    @property
    def location(self) -> LocalFile:
        """The extent as a location of a blob."""
        return LocalFile(self.path, self.offset, self.size)


class ExtentReader(BlobReader):
    """Reads extents of files, which are open as ``fds``, one after another, from a byte ``offset`` on."""

    def __init__(self, extents: Sequence[tuple[int, Extent]], offset: int) -> None:
        self._left: list[FileReader] = []
        for fd, extent in extents:
            skipped = min(offset, extent.size)
            offset -= skipped
            self._left.append(FileReader(fd, extent.path, extent.offset + skipped, extent.size - skipped))

    def readinto(self, buffer: memoryview) -> int:
        while self._left:
            if count := self._left[0].readinto(buffer):
                return count
            del self._left[0]
        return 0


@asynccontextmanager
async def open_extents(extents: Sequence[Extent], offset: int) -> AsyncIterator[ExtentReader]:
    """Open a reader of extents from a byte ``offset`` of all of them on; raises `NotFound` and `StorageFailed`."""
    with ExitStack() as stack:
        opened: list[tuple[int, Extent]] = []
        for extent in extents:
            fd = open_regular(extent.path)
            stack.callback(os.close, fd)
            opened.append((fd, extent))
        yield ExtentReader(opened, offset)
