"""Read single layers: as streams that are verified, or, where only entries are wanted, from their indexes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from ..model.descriptor import UNKNOWN_SIZE
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import processors, work_off
from ..streams.decompress import InflatingSink
from .layer_index import LayerIndex
from .layer_sink import LayerSink

if TYPE_CHECKING:
    from ..interfaces import ImageSource
    from ..model.digest import Digest
    from ..storage.layer_index_files import LayerIndexFiles
    from .contents import ContentDirectory
    from .entry import Entry
    from .image_layers import Layer
    from .layer_sink import EntryTotal
    from .overlay import LayerEntries

_AT_ONCE = 6
Advance: TypeAlias = Callable[[int, int], None]
"""Called in the event loop with a number of bytes done, and that of all."""


class LayerIndexes:
    """The indexes of layers: those that were read, by `Layer.content`, and those in ``files``, if there is a store.

    ``warn`` is called, once, if an index cannot be kept. With ``kept`` all are held in memory until the object is gone.
    """

    def __init__(
        self, files: LayerIndexFiles | None, warn: Callable[[str], None], *, kept: bool = False
    ) -> None:
        self._files, self._warn = files, warn
        self._known: dict[Digest, LayerIndex] | None = {} if kept else None

    async def find(self, layer: Layer) -> LayerIndex | None:
        """Return the index of a layer, None if there is none that is right for it."""
        if self._known is not None and layer.content in self._known:
            return self._known[layer.content]
        if self._files is None:
            return None
        found = await run_in_thread(partial(self._read, self._files, layer))
        if found is not None and self._known is not None:
            self._known[layer.content] = found
        return found

    async def add(self, layer: Layer, index: LayerIndex) -> None:
        """Take the index of a layer that was read and verified."""
        if self._known is not None:
            self._known[layer.content] = index
        files = self._files
        if files is None:
            return
        from ..storage.layer_index_files import keep_index

        failed = await run_in_thread(lambda: keep_index(files, index.digest, index.encode()))
        if failed and self._files is not None:  # the first of several
            self._files = None
            self._warn(f"{failed}: no index of what is in layers is kept")

    def known(self, layer: Layer) -> LayerIndex:
        """Return the index of a layer that is ``kept``; raises `KeyError`."""
        return (self._known or {})[layer.content]

    def _read(self, files: LayerIndexFiles, layer: Layer) -> LayerIndex | None:
        digest = layer.descriptor.digest
        raw = files.read(digest)
        found = None if raw is None else LayerIndex.decode(raw, digest, layer.number)
        return found if found is not None and found.describes(layer.descriptor, layer.plain.diff_ids) else None


class LayerReader:
    """Reads layers of an image; ``done`` are the bytes of each that have been read.

    ``total`` counts their entries. Where no ``contents`` are wanted, layers that ``indexes`` has are not read.
    """

    def __init__(
        self, source: ImageSource, total: EntryTotal, contents: ContentDirectory | None = None,
        indexes: LayerIndexes | None = None,
    ) -> None:  # fmt: skip
        self._source, self._total, self._contents = source, total, contents
        self._indexes = indexes if contents is None else None
        self.done: dict[Digest, int] = {}

    async def read(self, layer: Layer, wanted: Callable[[Entry], bool]) -> LayerEntries:
        """Return the entries of a layer; ``wanted`` says which contents are kept, and is asked about all of them."""
        if self._indexes is None:
            return (await self._read(layer, wanted, hashed=False)).layer
        index = await self._indexes.find(layer)
        if index is None:
            index = await self._read(layer, wanted, hashed=True)
            await self._indexes.add(layer, index)
            return index.layer
        self.done[layer.descriptor.digest] = index.size
        entries = index.numbered(layer.number)
        names = sum(len(entry.path) + len(entry.link) for entry in entries.entries)
        self._total.count(layer.number, len(entries.entries) + len(entries.whiteouts), names)
        for entry in entries.entries:
            wanted(entry)
        return entries

    async def _read(self, layer: Layer, wanted: Callable[[Entry], bool], *, hashed: bool) -> LayerIndex:
        sink = LayerSink(layer.number, str(layer), self._total, wanted, self._contents, hashed=hashed)
        inflating, digest = InflatingSink(sink, str(layer), layer.plain), layer.descriptor.digest

        def finish() -> None:
            inflating.finish()
            sink.finish()

        def moved(count: int) -> None:
            self.done[digest] = count

        try:
            await self._source.blob(layer.descriptor).copy_to(inflating, moved)
            await run_in_thread(finish)
        finally:
            sink.close()
        size = layer.descriptor.size
        if size == UNKNOWN_SIZE:
            size = self.done.get(digest, 0)
        return LayerIndex(digest, size, inflating.digest, inflating.size, sink.layer)

    def forget(self, layer: Layer) -> None:
        """Forget what was read of a layer, which is no longer read: it counts towards no limit then."""
        self.done.pop(layer.descriptor.digest, None)
        self._total.count(layer.number, 0, 0)
        if layer.plain.total is not None:
            layer.plain.total.count(str(layer), 0)
        if self._contents is not None:
            self._contents.forget(layer.number)


async def read_layers(layers: Sequence[tuple[LayerReader, Layer]]) -> None:
    """Read layers into the indexes of their readers, each content once, the largest first; several at once."""
    fresh = list({layer.content: (reader, layer) for reader, layer in layers}.values())
    fresh.sort(key=lambda one: -one[1].descriptor.size)

    async def read(one: tuple[LayerReader, Layer]) -> None:
        reader, layer = one
        await reader.read(layer, lambda _: False)

    await work_off(fresh, read, at_once=min(_AT_ONCE, processors()), when_idle=_AT_ONCE)
