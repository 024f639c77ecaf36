"""The layers of an archive: decompressed as they come, written in the order the image has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from ...fast_dataclass import dataclass
from ...interfaces import Blob
from ...model.descriptor import Descriptor
from ...model.digest import Digest
from ...streams.cancellation import run_in_thread
from ...streams.decompress import InflatingSink
from ...streams.pump import Progress
from ..tar import TarWriter
from .layer_slots import Stretch
from .offset_prediction import Foresight, member

READ_ONLY = 0o444


@dataclass(frozen=True, slots=True)
class Plain:
    """A blob as it came out of decompression, at ``path`` while it is not in the archive."""

    path: Path
    digest: Digest
    size: int


class Layers:
    """Takes blobs in any order, several at once, and appends layers to the archive in the order announced.

    Each is appended as soon as those before it are there: while others are still fetched, and
    before the disk holds everything twice. Where the archive can be written ``ahead``, most are
    written where they will be; the others, and those of which it was guessed wrong, lie in
    ``scratch`` before.
    """

    def __init__(self, scratch: Path, archive: Callable[[], TarWriter], *, ahead: bool) -> None:
        self._scratch, self._archive = scratch, archive
        self._stretches: dict[Digest, Stretch] = {}
        self._ahead, self._foresight = ahead, Foresight(self._stretches)
        self._plain: dict[Digest, Plain] = {}
        self._order: deque[Digest] = deque()
        self._written: set[Digest] = set()
        self._appending = False
        self.spoilt = False

    def expect(self, layers: Iterable[Descriptor], position: int) -> None:
        """The layers that are to come, in order, as their blobs are; the archive goes on at ``position``."""
        wanted = {layer.digest: layer for layer in layers}
        self._order = deque(wanted)
        if self._ahead:
            coming = [layer for digest, layer in wanted.items() if digest not in self._plain]
            self._foresight.expect(coming, position)

    def __getitem__(self, digest: Digest) -> Plain:
        return self._plain[digest]

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._plain

    async def add(self, blob: Blob, progress: Progress) -> None:
        """Fetch and decompress a blob, then append whatever can be appended."""
        digest = blob.descriptor.digest
        try:
            async with self._foresight.coming(blob):
                stretch = self._stretches[digest] = await self._stretch(digest)
                sink = InflatingSink(stretch, f"blob {digest}")
                await blob.copy_to(sink, progress)
                sink.finish()
                stretch.complete()
        except BaseException:
            if digest in self._stretches:
                self._stretches.pop(digest).remove()
            raise
        self._plain[digest] = Plain(stretch.path, sink.digest, sink.size)
        await self.advance()

    async def _stretch(self, digest: Digest) -> Stretch:
        own = self._scratch / digest.hex
        start = await self._foresight.start(digest)
        if start is None:
            return Stretch(own)
        return Stretch(own, self._archive(), start, limit=self._foresight.size(digest))

    async def advance(self) -> None:
        """Append layers while the next one in order is there. One task at a time; others just go on,
        since this one looks again after every layer."""
        if self._appending:
            return
        self._appending = True
        try:
            while self._order and self._order[0] in self._plain:
                await self._append(self._order[0])
                self._order.popleft()
        finally:
            self._appending = False

    async def _append(self, digest: Digest) -> None:
        layer, stretch = self._plain[digest], self._stretches.get(digest)
        if stretch is None:
            return  # in the archive already, with an earlier image
        if layer.digest not in self._written:  # else the same content under another compression
            # Until it is whole: a caller may go on after an error, but not with this archive.
            spoilt, self.spoilt = self.spoilt, True
            others = [other for other in self._stretches.values() if other is not stretch]
            await run_in_thread(lambda: self._put(layer, stretch, others))
            self.spoilt = spoilt
            self._written.add(layer.digest)
        del self._stretches[digest]
        stretch.remove()
        self._foresight.appended(digest, self._archive().position)

    def _put(self, layer: Plain, stretch: Stretch, others: list[Stretch]) -> None:
        archive, name = self._archive(), f"{layer.digest.hex}.tar"
        place = member(archive.position, layer.size)
        for other in others:
            if other.within and other.start < place.end:
                other.leave()
        if stretch.within and stretch.start == place.start:
            archive.place(name, layer.size, READ_ONLY)
        else:
            stretch.leave()
            archive.add_file(name, layer.path, layer.size, READ_ONLY)
