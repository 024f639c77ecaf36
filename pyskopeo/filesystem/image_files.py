"""Read the layers of an image into its merged view, and the contents of the files that are wanted.

Independent of transports: it uses `ImageSource` only. Each layer is read as a stream, and verified by its digest, its
size and its diff ID.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..errors import InvalidContent
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import processors, ticking, work_off
from .contents import shown
from .decision import Decision, WantedPaths
from .entry import Entry, Kind
from .image_layers import check_readable
from .layer_reader import LayerReader
from .layer_sink import EntryTotal
from .overlay import LayerEntries, Node, View
from .read_ahead import read_in_order

if TYPE_CHECKING:
    from ..interfaces import ImageSource
    from ..model.digest import Digest
    from .contents import ContentDirectory
    from .image_layers import Layer
    from .layer_reader import Advance, LayerIndexes
    from .path_selection import PathSelection

_AT_ONCE = 6
_TICK = 0.2  # seconds
# Bytes of a layer while which is read the one below it is read, too. For a smaller one it is not worth a request.
_LARGE = 1024 * 1024


class ImageFiles:
    """The files of an image, or of some of its ``layers``; `read` them once, then use ``view`` and ``chosen``.

    ``contents`` is where the contents of regular files go, None if they are not wanted. ``chosen`` are the paths that
    were selected, None for all. ``layers_read`` are the numbers of the layers that had to be read. ``advance`` is
    called a few times per second with the number of bytes read so far and that of all layers. Where no contents are
    wanted, layers that ``indexes`` has are not read.
    """

    def __init__(
        self, source: ImageSource, layers: Sequence[Layer], contents: ContentDirectory | None = None, *,
        advance: Advance | None = None, indexes: LayerIndexes | None = None,
    ) -> None:  # fmt: skip
        """Raises `Unsupported` for a layer that is no archive of a kind that can be read."""
        check_readable(layers)
        self._layers, self._contents, self._advance = layers, contents, advance
        self._reader = LayerReader(source, EntryTotal(), contents, indexes)
        self._size = sum({layer.descriptor.digest: max(0, layer.descriptor.size) for layer in layers}.values())
        self._entries: dict[Digest, LayerEntries] = {}
        self.view = View()
        self.chosen: frozenset[str] | None = None

    @property
    def layers_read(self) -> tuple[int, ...]:
        """The numbers of the layers that were read."""
        return tuple(layer.number for layer in self._layers if layer.descriptor.digest in self._entries)

    async def read(self, selection: PathSelection, *, follow: bool = False) -> None:
        """Read what is needed for the files that are selected; for paths without wildcards not more than that.

        ``follow`` selects what symbolic links at the end of such paths lead to, too. Raises the source's errors,
        `InvalidContent` for layers that are damaged or that must not be unpacked, `NotFound` for files that are not
        there, and `StorageFailed`.
        """
        if self._advance is None:
            await self._read(selection, follow=follow)
        else:
            async with ticking(partial(self._tick, self._advance), _TICK):
                await self._read(selection, follow=follow)

    async def _read(self, selection: PathSelection, *, follow: bool) -> None:
        literals = selection.literals
        if literals is None:
            await self._read_all(lambda entry: selection.matches(entry.path))
        else:
            decision = Decision(literals, follow=follow)
            await read_in_order(self._layers[::-1], _LayersFromTop(self._reader, self._entries, decision))
        read = (self._entries.get(layer.descriptor.digest) for layer in self._layers)
        self.view = await run_in_thread(partial(View.of, [layer for layer in read if layer is not None]))
        self.chosen = selection.select(self.view)
        if follow and literals is not None:
            self.chosen = frozenset(self.view.follow(path)[0] for path in literals)
        if self._contents is not None:
            await self._read_missing(self._contents)

    def nodes(self) -> list[tuple[str, Node]]:
        """Return the selected files with their paths, sorted, and the directories that they are in."""
        if self.chosen is None:
            return list(self.view.walk())
        needed = set(self.chosen)
        for path in self.chosen:
            while path := path.rpartition("/")[0]:
                needed.add(path)
        return [(path, node) for path, node in self.view.walk() if path in needed]

    async def _read_all(self, wanted: Callable[[Entry], bool]) -> None:
        fresh = list({layer.descriptor.digest: layer for layer in self._layers}.values())
        fresh.sort(key=lambda layer: -layer.descriptor.size)
        at_once = min(_AT_ONCE, processors())
        await work_off(fresh, lambda layer: self._read_and_take(layer, wanted), at_once=at_once, when_idle=_AT_ONCE)

    async def _read_and_take(self, layer: Layer, wanted: Callable[[Entry], bool]) -> None:
        self._entries[layer.descriptor.digest] = await self._reader.read(layer, wanted)

    async def _read_missing(self, contents: ContentDirectory) -> None:
        """Read layers again for contents that turned out to be needed, as those of hard links to other files."""
        keys = set()
        for path, node in self.nodes():
            if node.entry is None:
                continue
            if node.entry.kind is Kind.HARDLINK:
                raise InvalidContent(f"{shown(path)} is a hard link to {shown(node.entry.link)}, which is not there")
            if node.entry.kind is Kind.FILE:
                keys.add(node.entry.key)
        incomplete = {number for number, position in keys if (number, position) not in contents}
        for layer in self._layers:
            if layer.number in incomplete:
                await self._reader.read(layer, lambda entry: entry.key in keys)

    def _tick(self, advance: Advance) -> None:
        advance(sum(self._reader.done.values()), self._size)


class _LayersFromTop:
    """Takes the entries of layers into ``entries``, from the top until it is decided what is at the wanted paths.

    An `OrderedReader`.
    """

    def __init__(self, reader: LayerReader, entries: dict[Digest, LayerEntries], decision: Decision) -> None:
        self._reader, self._entries, self._decision = reader, entries, decision
        # By the numbers of layers.
        self._read: dict[int, LayerEntries] = {}
        self._wanted: dict[int, WantedPaths] = {}

    async def read(self, layer: Layer) -> None:
        if layer.descriptor.digest not in self._entries:
            wanted = self._wanted[layer.number] = self._decision.next_layer()
            self._read[layer.number] = await self._reader.read(layer, wanted)

    def take(self, layer: Layer) -> bool:
        digest = layer.descriptor.digest
        if layer.number in self._read:
            self._entries[digest] = self._read.pop(layer.number)
        return self._decision.add(self._entries[digest], self._wanted.get(layer.number))

    def worth_reading_ahead(self, layer: Layer, following: Layer) -> bool:
        if layer.descriptor.size < _LARGE or following.descriptor.digest in (layer.descriptor.digest, *self._entries):
            return False
        wanted = self._wanted.get(layer.number)
        return wanted is None or not self._decision.probably_decided(wanted)

    def discard(self, layer: Layer) -> None:
        self._read.pop(layer.number, None)
        self._reader.forget(layer)
