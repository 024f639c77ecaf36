"""Whether the upper layers of an image decide what is at some paths, so that lower ones need not be read; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .entry import Entry, Kind
from .overlay import LayerEntries

_MOST_LINKS = 40


class Decision:
    """Decides about ``paths`` while layers are read from the top. With ``follow``, also about what links lead to.

    A file is decided by the uppermost layer that has an entry or a whiteout for it, or for a directory that it is in,
    unless an upper layer may have it by another name, through a symbolic link of a lower layer: ``lib/x`` is
    ``usr/lib/x`` where ``lib`` is one, unless the layer names the directory ``lib`` itself, as most do. Directories
    need all layers, since each may add files to them.
    """

    def __init__(self, paths: Sequence[str], *, follow: bool = False) -> None:
        self._undecided = tuple(paths)
        self.paths = set(paths)
        self._follow = follow
        self._layers: list[_NamedEntries] = []

    def next_layer(self) -> WantedPaths:
        """Return which files' contents may be needed of a layer that is about to be read."""
        return WantedPaths(self.paths, follow=self._follow)

    def probably_decided(self, wanted: WantedPaths) -> bool:
        """Return whether what has been read of the next layer has all files, so that no other layer will be needed."""
        return wanted.files.issuperset(self._undecided)

    def add(self, layer: LayerEntries, wanted: WantedPaths | None = None) -> bool:
        """Take the next layer below those before; return whether no other one is needed.

        ``wanted`` was asked about the entries of the layer.
        """
        self._layers.append(_NamedEntries(layer))
        if wanted is not None:
            self.paths |= wanted.paths
        self._undecided = tuple(path for path in self._undecided if not self._is_decided(path))
        return not self._undecided

    def _is_decided(self, path: str) -> bool:
        for _ in range(_MOST_LINKS):
            decided = self._decide(path)
            if isinstance(decided, bool):
                return decided
            path = decided
            self.paths.add(path)
        return False

    def _decide(self, path: str) -> bool | str:
        """Return whether a path is decided, or the path that it leads to by a symbolic link."""
        is_real = self._names(path.rpartition("/")[0])
        for layer in self._layers:
            if layer.may_alias(path, is_real=is_real):
                return False
            for prefix in _prefixes(path):
                entry = layer.entries.get(prefix)
                if entry is None or (entry.kind is Kind.DIRECTORY and prefix != path):
                    continue
                if entry.kind is Kind.SYMLINK and (prefix != path or self._follow):
                    return self._target(entry, path[len(prefix) :]) or False
                if entry.kind is Kind.HARDLINK:
                    return _is_file(layer.entries.get(entry.link), entry)
                return entry.kind is not Kind.DIRECTORY
            if layer.removes(path):
                # What upper layers have below it may be a hard link to a file of a layer that is not read yet.
                return not any(upper.links_elsewhere(path) for upper in self._layers)
        return False

    def _target(self, link: Entry, rest: str) -> str:
        """Return where a path leads by a symbolic link, ``rest`` being what follows; "" if that takes a closer look."""
        names = [name for name in link.link.split("/") if name not in ("", ".")]
        up = names.count("..")
        if ".." in names[up:]:
            return ""  # what it leads through before it goes up may be a symbolic link
        if up and not self._names(link.path.rpartition("/")[0]):
            return ""  # its directory may be a symbolic link itself
        return _lexical_target(link, rest)

    def _names(self, directory: str) -> bool:
        """Return whether every directory of a path is one in the uppermost layer that names it.

        What follows a symbolic link is not looked at.
        """
        for prefix in filter(None, _prefixes(directory)):
            layer = next((layer for layer in self._layers if prefix in layer.entries), None)
            if layer is None:
                return False
            if prefix not in layer.directories:
                return layer.entries[prefix].kind is Kind.SYMLINK
        return True


class WantedPaths:
    """Says of each file of one layer whether its content may be needed; to be asked about its entries in order.

    Of a symbolic link that is on the way to a path, what it leads to may be, so it need not be read for that again:
    that is added to ``paths``. ``files`` are those paths that are regular files in the layer. The object belongs to the
    thread that reads the layer; others may look at ``files``.
    """

    def __init__(self, paths: Iterable[str], *, follow: bool) -> None:
        self.paths = set(paths)
        self.files: set[str] = set()
        self._follow = follow

    def __call__(self, entry: Entry) -> bool:
        """Return whether the content of a file may be needed."""
        if entry.kind is Kind.SYMLINK:
            for path in tuple(self.paths):
                if path.startswith(f"{entry.path}/") or (self._follow and path == entry.path):
                    self.paths.add(_lexical_target(entry, path[len(entry.path) :]))
        elif entry.kind is Kind.FILE and entry.path in self.paths:
            self.files.add(entry.path)
        return any(entry.path == path or entry.path.startswith(f"{path}/") for path in self.paths)


class _NamedEntries:
    """The entries of a layer by path: of several, the last one counts. ``directories`` are paths of nothing else."""

    def __init__(self, layer: LayerEntries) -> None:
        self.entries = {entry.path: entry for entry in layer.entries}
        others = {entry.path for entry in layer.entries if entry.kind is not Kind.DIRECTORY}
        self.directories = self.entries.keys() - others
        self._removed = {whiteout.path for whiteout in layer.whiteouts if not whiteout.opaque}
        self._opaque = {whiteout.path for whiteout in layer.whiteouts if whiteout.opaque}
        self._aliased: dict[tuple[str, bool], bool] = {}

    def removes(self, path: str) -> bool:
        """Return whether the layer removes a path from those below it."""
        prefixes = _prefixes(path)
        return not self._removed.isdisjoint(prefixes) or not self._opaque.isdisjoint(("", *prefixes[:-1]))

    def links_elsewhere(self, path: str) -> bool:
        """Return whether something below a directory is a hard link to a file that the layer does not have."""
        return any(
            entry.kind is Kind.HARDLINK and entry.path.startswith(f"{path}/")
            and not _is_file(self.entries.get(entry.link), entry)
            for entry in self.entries.values()
        )  # fmt: skip

    def may_alias(self, path: str, *, is_real: bool) -> bool:
        """Return whether the layer may have or remove the file, or a directory that it is in, by another name.

        ``is_real`` says that the directories of the path are known to be no symbolic links.
        """
        if (path, is_real) not in self._aliased:
            self._aliased[path, is_real] = self._find_alias(path, is_real=is_real)
        return self._aliased[path, is_real]

    def _find_alias(self, path: str, *, is_real: bool) -> bool:
        prefixes, names = _prefixes(path), set(path.split("/"))
        if not self._opaque <= {"", *self.directories, *prefixes}:
            return True
        for other in (*self.entries, *self._removed):
            if other.rpartition("/")[2] not in names or other in prefixes:
                continue
            if not is_real or any(
                f"/{prefix}".endswith(other[len(head) :])
                for head in _prefixes(other)[:-1] if head not in self.directories
                for prefix in prefixes
            ):  # fmt: skip
                return True
        return False


def _prefixes(path: str) -> list[str]:
    """Return the directories that a path is in, the uppermost first, and the path."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _lexical_target(link: Entry, rest: str) -> str:
    """Return where a path leads by a symbolic link, if there is no other one on the way; ``rest`` is what follows."""
    parts: list[str] = []
    base = "" if link.link.startswith("/") else link.path.rpartition("/")[0]
    for part in f"{base}/{link.link}{rest}".split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _is_file(target: Entry | None, link: Entry) -> bool:
    """Return whether the target of a hard link is a file that precedes it in its layer."""
    return target is not None and target.kind is Kind.FILE and target.position < link.position
