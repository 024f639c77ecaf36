"""The layers of an archive: decompressed as they come, written in the order the image has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from ..archives import TarWriter
from ..files import FileSink, staged, storage_errors
from ..image import Blob
from ..model.digest import Digest
from ..pipes import never
from ..pump import Progress, run_abortable
from ..records import dataclass
from ..transform import InflatingSink

READ_ONLY = 0o444


@dataclass(frozen=True, slots=True)
class Plain:
    """A blob as it came out of decompression; a layer's file is gone once it is in the archive."""

    path: Path
    digest: Digest
    size: int


class Layers:
    """Takes blobs in any order, several at once, and appends layers to the archive in the order announced.

    Each is appended as soon as those before it are there: while others are still fetched, and
    before the disk holds everything twice.
    """

    def __init__(self, scratch: Path, archive: Callable[[], TarWriter]) -> None:
        self._scratch, self._archive = scratch, archive
        self._plain: dict[Digest, Plain] = {}
        self._order: deque[Digest] = deque()
        self._written: set[Digest] = set()
        self._appending = False
        self.spoilt = False

    def expect(self, digests: Iterable[Digest]) -> None:
        """The layers that are to come, in order, by the digests of their blobs."""
        self._order = deque(dict.fromkeys(digests))

    def __getitem__(self, digest: Digest) -> Plain:
        return self._plain[digest]

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._plain

    async def add(self, blob: Blob, progress: Progress) -> None:
        """Fetch and decompress a blob, then append whatever can be appended."""
        digest = blob.descriptor.digest
        path = self._scratch / digest.hex
        with storage_errors(f"creating {self._scratch}"):
            self._scratch.mkdir(mode=0o700, exist_ok=True)
        with staged(path) as (fd, temporary):
            sink = InflatingSink(FileSink(fd, temporary), f"blob {digest}")
            await blob.copy_to(sink, progress)
            sink.finish()
        self._plain[digest] = Plain(path, sink.digest, sink.size)
        await self.advance()

    async def advance(self) -> None:
        """Append layers while the next one in order is there. One task at a time; others just go on,
        since this one looks again after every layer."""
        if self._appending:
            return
        self._appending = True
        try:
            while self._order and self._order[0] in self._plain:
                await self._append(self._plain[self._order[0]])
                self._order.popleft()
        finally:
            self._appending = False

    async def _append(self, layer: Plain) -> None:
        if layer.digest in self._written:
            return  # the same content under another compression
        archive, name = self._archive(), f"{layer.digest.hex}.tar"

        def append(check: Callable[[], None]) -> None:
            archive.until(check)
            archive.add_file(name, layer.path, layer.size, READ_ONLY, check)

        # Until it is whole: a caller may go on after an error, but not with this archive.
        spoilt, self.spoilt = self.spoilt, True
        await run_abortable(append, never)
        self.spoilt = spoilt
        self._written.add(layer.digest)
        layer.path.unlink()
