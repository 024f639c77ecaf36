"""Decompress layers as they arrive and append them to a ``docker save`` archive in the order of the image."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from ...errors import ContentMismatch, InvalidContent, StorageFailed
from ...fast_dataclass import dataclass
from ...model.descriptor import Descriptor
from ...model.digest import Digest
from ...streams.cancellation import check_cancelled, run_in_thread
from ...streams.decompress import InflatingSink
from ...streams.locations import LocalFile
from ...streams.plain_content import PlainVerifier
from ...streams.progress import Progress, note_kept
from ...streams.pump import Blob, thread_buffer
from ..part_files import open_part
from ..tar import TarWriter
from .kept_blob import LEAST, KeptBlob
from .layer_journal import KeptLayer, LayerJournal
from .layer_slots import LayerSlot
from .offset_prediction import OffsetPredictor, content_span

READ_ONLY = 0o444


@dataclass(frozen=True, slots=True)
class DecompressedBlob:
    """The digest and the size of a decompressed blob; its bytes are at ``path`` unless they are in the archive.

    ``digest`` is its sha256, ``digests`` are those of all algorithms that its diff IDs need.
    """

    path: Path
    digest: Digest
    size: int
    digests: frozenset[Digest]


class LayerWriter:
    """Accepts blobs in any order, concurrently, and appends the layers to an archive in the announced order.

    A layer is appended as soon as all layers before it are appended, while others are still being fetched, so that the
    disk does not hold everything twice. If the archive can be written ``out_of_order``, most layers are written to
    their predicted offsets in it; the others, and those with a wrong prediction, are kept in the directory ``scratch``
    until it is their turn. ``archive`` returns the archive, and opens it at the first call.

    In ``journal``, if there is one, complete layers are recorded for the run after an interruption. Those that it names
    from an earlier run are verified by the diff IDs of the image's configuration, and not fetched.

    ``archive_damaged`` is set while the archive ends with an incomplete member or image: if it stays set after an
    error, the archive cannot be completed.
    """

    def __init__(self, scratch: Path, archive: Callable[[], TarWriter], *, out_of_order: bool) -> None:
        self._scratch, self._archive = scratch, archive
        self.journal: LayerJournal | None = None
        self._kept: dict[Digest, LayerSlot] = {}
        self._slots: dict[Digest, LayerSlot] = {}
        # Those of them that were begun in the archive: few, however many layers wait in temporary files.
        self._placed: dict[Digest, LayerSlot] = {}
        self._out_of_order, self._predictor = out_of_order, OffsetPredictor(self._slots, self._placed)
        self._decompressed: dict[Digest, DecompressedBlob] = {}
        self._order: deque[Digest] = deque()
        self._written: set[Digest] = set()
        self._appending = False
        self.archive_damaged = False

    def use(self, scratch: Path, journal: LayerJournal | None) -> None:
        """Write temporary files to ``scratch``, and use ``journal``; before anything is written."""
        self._scratch, self.journal = scratch, journal

    def announce(self, layers: Iterable[Descriptor], position: int) -> None:
        """Set the order of the layers, named by their compressed blobs; ``position`` is where the archive ends now."""
        layer_by_digest = {layer.digest: layer for layer in layers}
        self._order = deque(layer_by_digest)
        if self._out_of_order:
            missing = [layer for digest, layer in layer_by_digest.items() if digest not in self._decompressed]
            self._predictor.announce(missing, position)
            for digest in layer_by_digest:
                self._find_kept(digest)

    def _find_kept(self, digest: Digest) -> None:
        """Reserve the place of a layer that an interrupted run has written, until `add` verifies it."""
        kept = self.journal.layers.pop(digest, None) if self.journal is not None else None
        if kept is None or digest in self._slots:
            return
        path = self._scratch / digest.hex
        if kept.start is None:
            try:
                slot = LayerSlot.kept(path, None, 0, kept.size)
            except StorageFailed:
                return
        else:
            if kept.start + kept.size > os.fstat(self._archive().file).st_size:
                return
            slot = self._placed[digest] = LayerSlot.kept(path, self._archive(), kept.start, kept.size)
        self._slots[digest] = self._kept[digest] = slot
        self._predictor.set_size(digest, kept.size)

    def __getitem__(self, digest: Digest) -> DecompressedBlob:
        """Return what was made of a blob, by the digest of the blob; raises `KeyError` if it was not added."""
        return self._decompressed[digest]

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._decompressed

    async def add(self, blob: Blob, progress: Progress) -> None:
        """Fetch and decompress a blob, a layer or a configuration, then append every layer that can be appended.

        Raises what reading the blob raises, `InvalidContent` for damaged compressed data, and `StorageFailed`; the blob
        can be added again after that.
        """
        digest = blob.descriptor.digest
        if digest in self._kept and await self._use_kept(blob, progress):
            await self.append_ready()
            return
        try:
            async with self._predictor.fetching(blob):
                slot = await self._new_slot(digest)
                sink = InflatingSink(slot, f"blob {digest}", blob.plain)
                await self._fetch(blob, sink, progress)
                sink.finish()
                slot.complete()
        except BaseException:
            if digest in self._slots:
                self._remove_slot(digest)
            raise
        self._decompressed[digest] = DecompressedBlob(slot.path, sink.digest, sink.size, sink.digests)
        if self.journal is not None:
            self.journal.add(digest, KeptLayer(sink.size, slot.start if slot.in_archive else None))
        await self.append_ready()

    async def _fetch(self, blob: Blob, sink: InflatingSink, progress: Progress) -> None:
        """Move a blob to ``sink``; keep it meanwhile for the run after an interruption, if it has to be fetched."""
        is_near = blob.stored is not None or any(isinstance(place, LocalFile) for place in blob.locations)
        if self.journal is None or is_near or blob.descriptor.size < LEAST:
            await blob.copy_to(sink, progress)
            return
        path = self._scratch / blob.descriptor.digest.hex
        async with open_part(path, blob.descriptor, resume=True, mode=0o600) as part:
            await blob.copy_to(KeptBlob(part), progress, also=sink)

    async def _use_kept(self, blob: Blob, progress: Progress) -> bool:
        """Verify a layer that an interrupted run has written; False, and its place is free again, if it is wrong."""
        digest = blob.descriptor.digest
        slot, verifier = self._kept.pop(digest), PlainVerifier(blob.plain, f"blob {digest}")
        try:
            if not blob.plain.diff_ids:
                raise ContentMismatch("the configuration states no diff ID", expected="a diff ID", actual="none")
            await run_in_thread(partial(_verify, slot, verifier))
        except (InvalidContent, StorageFailed):
            self._remove_slot(digest)
            self._predictor.set_size(digest, None)
            return False
        slot.complete()
        note_kept(progress, blob.descriptor.size)
        progress(blob.descriptor.size)
        self._decompressed[digest] = DecompressedBlob(slot.path, verifier.digest, verifier.size, verifier.digests)
        return True

    async def _new_slot(self, digest: Digest) -> LayerSlot:
        path = self._scratch / digest.hex
        if self.journal is not None and digest in self.journal.layers:
            path.unlink(missing_ok=True)  # of an interrupted run, and not announced
        start = await self._predictor.predict_start(digest)
        if start is None:
            slot = LayerSlot(path)
        else:
            slot = LayerSlot(path, self._archive(), start, limit=self._predictor.size(digest))
            self._placed[digest] = slot
        self._slots[digest] = slot
        return slot

    def _remove_slot(self, digest: Digest) -> None:
        self._placed.pop(digest, None)
        self._slots.pop(digest).remove()

    async def append_ready(self) -> None:
        """Append layers while the next one in order has arrived; raises `StorageFailed`.

        Only one task does this at a time. It checks for the next layer after each one, so other tasks can return at
        once.
        """
        if self._appending:
            return
        self._appending = True
        try:
            while self._order and self._order[0] in self._decompressed:
                await self._append(self._order[0])
                self._order.popleft()
        finally:
            self._appending = False

    async def _append(self, digest: Digest) -> None:
        layer, slot = self._decompressed[digest], self._slots.get(digest)
        if slot is None:
            return  # in the archive already, as part of an earlier image
        if layer.digest not in self._written:  # otherwise it is there already, from a blob with another compression
            was_damaged, self.archive_damaged = self.archive_damaged, True
            others = [other for other in self._placed.values() if other is not slot]
            await run_in_thread(lambda: self._append_layer(digest, layer, slot, others))
            self.archive_damaged = was_damaged
            self._written.add(layer.digest)
        self._remove_slot(digest)
        self._predictor.appended(digest, self._archive().position)

    def _append_layer(
        self, digest: Digest, layer: DecompressedBlob, slot: LayerSlot, others: list[LayerSlot]
    ) -> None:
        """Write the layer's header, and its content unless that is in its place; first clear the space it needs."""
        archive, name = self._archive(), f"{layer.digest.hex}.tar"
        span = content_span(archive.position, layer.size)
        for other in others:
            if other.in_archive and other.start < span.end:
                other.move_out()
        if slot.in_archive and slot.start == span.start:
            archive.add_written(name, layer.size, READ_ONLY)
        else:
            slot.move_out()
            archive.add_file(name, layer.path, layer.size, READ_ONLY)
            if self.journal is not None:
                self.journal.add(digest, KeptLayer(layer.size, span.start))


def _verify(slot: LayerSlot, verifier: PlainVerifier) -> None:
    """Read a layer back; raises as `PlainVerifier.finish`, `StorageFailed`, and `Cancelled`."""
    buffer = thread_buffer()
    while count := slot.read_at(buffer, verifier.size):
        verifier.feed(buffer[:count])
        check_cancelled()
    verifier.finish()
