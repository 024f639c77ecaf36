"""The merged view of layers, as a container would see it (OCI image specification, layer.md); no I/O.

Nothing of it is looked up on this machine: symbolic links lead from one path of the view to another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field

from ..errors import InvalidContent, NotFound
from ..fast_dataclass import dataclass
from .entry import DEEPEST, Entry, Kind, Whiteout

_MOST_LINKS = 40
"""The number of symbolic links in a row that Linux follows."""


@dataclass(slots=True)
class LayerEntries:
    """All entries of one layer in the order of its archive, and its whiteouts, which concern lower layers only."""

    number: int
    entries: list[Entry] = field(default_factory=list)
    whiteouts: list[Whiteout] = field(default_factory=list)


class Node:
    """A file of the view. ``entry`` is None for a directory that no layer names, only files below it.

    ``children`` are those of a directory by name, None for any other file. Hard links share one entry.
    """

    __slots__ = ("children", "entry")

    def __init__(self, entry: Entry | None, children: dict[str, Node] | None) -> None:
        self.entry, self.children = entry, children

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.children is not None

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.entry is not None and self.entry.kind is Kind.SYMLINK


class View:
    """The files of several layers; `apply` them from the base layer on.

    A hard link to a file that is not there stays one, so that it is an error only for those who need it. ``on_drop`` is
    called with what a layer removes or replaces, also of its own files, and with the number of that layer.
    """

    def __init__(self, on_drop: Callable[[Node, int], None] | None = None) -> None:
        self.root = Node(None, {})
        self._on_drop, self._number = on_drop, 0
        # The directory of the last entry: the next one is mostly in the same.
        self._last: tuple[str, Node] | None = None

    @classmethod
    def of(cls, layers: Sequence[LayerEntries], on_drop: Callable[[Node, int], None] | None = None) -> View:
        """Return the view of layers, the base layer first; raises `InvalidContent`."""
        view = cls(on_drop)
        for layer in layers:
            view.apply(layer)
        return view

    def apply(self, layer: LayerEntries) -> None:
        """Put a layer on top: its directories, then its whiteouts, then all entries; of one path the last counts.

        So a whiteout or a file in a directory that the layer names does not end up where a symbolic link of a lower
        layer with the directory's name leads. Raises `InvalidContent` for a path below a file that is no directory, and
        for symbolic links in a circle.
        """
        self._last, self._number = None, layer.number
        for entry in layer.entries:
            if entry.kind is Kind.DIRECTORY and entry.path:
                self._make_directory(entry.path)
        for whiteout in layer.whiteouts:
            self._remove(whiteout)
        self._last = None
        for entry in layer.entries:
            self._add(entry)

    def find(self, path: str) -> tuple[list[str], Node]:
        """Return the node of a path, and the real paths that lead to it: of symbolic links on the way, then its own.

        A link at its end is not followed. Raises `NotFound`, and `InvalidContent` for links in a circle.
        """
        walk = _Walk(self.root)
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts or parts[-1] == "..":
            found = walk.directory(parts)
            return [*walk.links, walk.real()], found or self._missing(path)
        parent = walk.directory(parts[:-1])
        children = parent.children if parent is not None else None
        return [*walk.links, walk.real(parts[-1])], (children or {}).get(parts[-1]) or self._missing(path)

    def follow(self, path: str) -> tuple[str, Node]:
        """Return the real path and the node of what a path leads to, by symbolic links at its end, too; as `find`."""
        for _ in range(_MOST_LINKS):
            (*_, real), node = self.find(path)
            if not node.is_link:
                return real, node
            assert node.entry is not None
            target = node.entry.link
            path = target if target.startswith("/") else f"{real.rpartition('/')[0]}/{target}"
        raise InvalidContent(f"symbolic links lead in a circle at {ascii(path)[:200]}")

    def _missing(self, path: str) -> Node:
        raise NotFound(f"no file {ascii(path)[:200]} in this image")

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Yield all paths with their nodes but the root, sorted by names, each directory before what is in it."""
        waiting = [iter(_sorted("", self.root))]
        while waiting:
            for path, node in waiting[-1]:
                yield path, node
                if node.children:
                    waiting.append(iter(_sorted(f"{path}/", node)))
                    break
            else:
                waiting.pop()

    def _parent(self, path: str) -> tuple[Node, str]:
        """Return the directory that a path is in, which is made if it is not there, and its last name."""
        directory, _, name = path.rpartition("/")
        if self._last is not None and self._last[0] == directory:
            return self._last[1], name
        parent = _Walk(self.root, path, create=True).directory(directory.split("/"))
        assert parent is not None
        self._last = directory, parent
        return parent, name

    def _make_directory(self, path: str) -> None:
        parent, name = self._parent(path)
        assert parent.children is not None
        known = parent.children.get(name)
        if known is None or not known.is_directory:
            self._drop(known)
            parent.children[name] = Node(None, {})
            self._last = None

    def _add(self, entry: Entry) -> None:
        if not entry.path:
            self.root.entry = entry
            return
        parent, name = self._parent(entry.path)
        assert parent.children is not None
        known = parent.children.get(name)
        if entry.kind is Kind.DIRECTORY and known is not None and known.is_directory:
            known.entry = entry
            return
        self._drop(known)
        if known is not None and (known.is_directory or known.is_link):
            self._last = None  # it may be where that led through
        if entry.kind is Kind.DIRECTORY:
            parent.children[name] = Node(entry, {})
            return
        target = self._link_target(entry) if entry.kind is Kind.HARDLINK else None
        parent.children[name] = Node(entry if target is None else target.entry, None)

    def _link_target(self, entry: Entry) -> Node | None:
        try:
            _, target = self.find(entry.link)
        except NotFound:
            return None
        if target.is_directory:
            raise InvalidContent(f"{ascii(entry.path)[:200]} is a hard link to a directory")
        return target

    def _remove(self, whiteout: Whiteout) -> None:
        if whiteout.opaque:
            directory = _Walk(self.root).directory(whiteout.path.split("/"))
            if directory is not None and directory.children is not None:
                for child in directory.children.values():
                    self._drop(child)
                directory.children = {}
            return
        *parts, last = whiteout.path.split("/")
        parent = _Walk(self.root).directory(parts)
        if parent is not None and parent.children is not None:
            self._drop(parent.children.pop(last, None))

    def _drop(self, node: Node | None) -> None:
        if node is not None and self._on_drop is not None:
            self._on_drop(node, self._number)


class _Walk:
    """Walks from the root to a directory, by symbolic links, which cannot lead out of the root.

    With ``create``, directories that are not there are made, and whatever is no directory is an error; ``path`` is
    named in it. ``links`` are the real paths of the symbolic links that were followed.
    """

    def __init__(self, root: Node, path: str = "", *, create: bool = False) -> None:
        self._nodes, self._names = [root], list[str]()
        self._path, self._create = path, create
        self.links: list[str] = []

    def real(self, name: str = "") -> str:
        """Return the real path of the directory that was reached, or of a file in it."""
        return "/".join((*self._names, name) if name else self._names)

    def directory(self, parts: list[str]) -> Node | None:
        """Return the directory that ``parts`` lead to, None if there is none; raises `InvalidContent`."""
        waiting = deque(parts)
        while waiting:
            name = waiting.popleft()
            if name in ("", "."):
                continue
            if name == "..":
                if self._names:
                    self._nodes.pop()
                    self._names.pop()
                continue
            if (child := self._child(name)) is None:
                return None
            if child.is_link:
                waiting.extendleft(reversed(self._followed(name, child)))
            else:
                self._nodes.append(child)
                self._names.append(name)
        return self._nodes[-1]

    def _child(self, name: str) -> Node | None:
        """Return the directory or symbolic link of this name in the current directory."""
        here = self._nodes[-1].children
        assert here is not None
        child = here.get(name)
        if child is None and self._create:
            if len(self._names) >= DEEPEST:
                raise InvalidContent(f"{ascii(self._path)[:200]} is more than {DEEPEST} directories deep")
            child = here[name] = Node(None, {})
        if child is not None and not child.is_directory and not child.is_link:
            if self._create:
                raise InvalidContent(f"{ascii(self._path)[:200]} is below {self.real(name)[:200]!a}, which is a file")
            return None
        return child

    def _followed(self, name: str, link: Node) -> list[str]:
        """Return the parts of a link's target, from the root on if it begins there."""
        assert link.entry is not None
        self.links.append(self.real(name))
        if len(self.links) > _MOST_LINKS:
            raise InvalidContent(f"symbolic links lead in a circle at {self.real(name)[:200]!a}")
        if link.entry.link.startswith("/"):
            del self._nodes[1:], self._names[:]
        return link.entry.link.split("/")


def _sorted(prefix: str, node: Node) -> list[tuple[str, Node]]:
    assert node.children is not None
    return [(prefix + name, child) for name, child in sorted(node.children.items())]
