"""Measure the files of an image: by path, by layer, and those that no container sees; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound
from ..model.image_usage import LayerUsage, PathUsage, WastedFile
from .entry import Kind
from .overlay import LayerEntries, Node, View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model.digest import Digest
    from .entry import Entry
    from .image_layers import Layer


class MeasuredView:
    """The merged view of ``layers``, the base layer first, each with another number; raises as `View.of` does.

    ``wasted`` are the files that no container sees, the largest first.
    """

    def __init__(self, layers: Sequence[LayerEntries]) -> None:
        self._layers = layers
        # The number of the layer that dropped a content last.
        self._dropped: dict[tuple[int, int], int] = {}
        self.view = View.of(layers, self._note)
        self.wasted = self._find_wasted()

    def measure_paths(self, path: str, depth: int) -> tuple[PathUsage, ...]:
        """Return what is at and below a path, down to ``depth`` names; raises `NotFound` and `InvalidContent`."""
        real, node = self.view.follow(path)
        sums = _PathSums(depth)
        sums.add(real, node, 0)
        return tuple(sums.rows)

    def measure_layers(
        self, layers: Sequence[Layer], diff_ids: Sequence[Digest], steps: Sequence[str]
    ) -> tuple[LayerUsage, ...]:
        """Return the layers; of each the diff ID is given, and the build step that made it."""
        wasted: dict[int, list[int]] = {}
        for file in self.wasted:
            wasted.setdefault(file.layer, []).append(file.size)
        found = []
        for entries, layer, diff_id, step in zip(self._layers, layers, diff_ids, steps, strict=True):
            sizes = [entry.size for entry in entries.entries if entry.kind is Kind.FILE]
            lost = wasted.get(layer.number, [])
            found.append(LayerUsage(
                layer.number, layer.descriptor, diff_id, sum(sizes), len(sizes), sum(lost), len(lost), step,
            ))  # fmt: skip
        return tuple(found)

    def _note(self, dropped: Node, layer: int) -> None:
        for entry in _files_below(dropped):
            self._dropped[entry.key] = layer

    def _find_wasted(self) -> tuple[WastedFile, ...]:
        live = {entry.key for entry in _files_below(self.view.root)}
        entries = (entry for layer in self._layers for entry in layer.entries)
        found = [self._wasted(entry) for entry in entries if entry.kind is Kind.FILE and entry.key not in live]
        return tuple(sorted(found, key=lambda file: (-file.size, file.path, file.layer)))

    def _wasted(self, entry: Entry) -> WastedFile:
        by = self._dropped.get(entry.key, entry.layer)
        return WastedFile(entry.path, entry.size, entry.layer, by, self._is_gone(entry.path))

    def _is_gone(self, path: str) -> bool:
        try:
            self.view.find(path)
        except (NotFound, InvalidContent):
            return True
        return False


class _PathSums:
    """Adds up the sizes of files; ``rows`` are the directories and files down to ``depth``."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._seen: set[tuple[int, int]] = set()
        self.rows: list[PathUsage] = []

    def add(self, path: str, node: Node, depth: int) -> tuple[int, int]:
        """Add a file or a directory; return its size and the number of its files."""
        if node.children is None:
            size, files = self._file(node)
            if files and depth <= self._depth:
                self.rows.append(PathUsage(path, False, size, files, depth))
            return size, files
        place, size, files = len(self.rows), 0, 0
        if depth <= self._depth:
            self.rows.append(PathUsage(path, True, 0, 0, depth))  # until the sums are known
        for name, child in sorted(node.children.items()):  # of the paths of a file the first one counts
            more, count = self.add(f"{path}/{name}" if path else name, child, depth + 1)
            size, files = size + more, files + count
        if depth <= self._depth:
            self.rows[place] = PathUsage(path, True, size, files, depth)
        return size, files

    def _file(self, node: Node) -> tuple[int, int]:
        entry = node.entry
        if entry is None or entry.kind is not Kind.FILE or entry.key in self._seen:
            return 0, 0
        self._seen.add(entry.key)
        return entry.size, 1


def _files_below(node: Node) -> Iterator[Entry]:
    """Yield the entries of regular files at and below a node; of hard links, the same one several times."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.children is not None:
            waiting.extend(one.children.values())
        elif one.entry is not None and one.entry.kind is Kind.FILE:
            yield one.entry
