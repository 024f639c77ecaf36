"""Compare the files of two images, as containers would see them; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model.image_comparison import FileDifference
from .entry import Kind
from .listed_file import kind_of, listed_file

if TYPE_CHECKING:
    from .entry import Entry
    from .overlay import Node, View


class ViewComparison:
    """The differences between two views: ``files``, sorted, each directory before what is in it.

    ``touched`` is the number of files that differ in the time of their last change only; with ``times`` they are among
    the files. Files are the same if their attributes are, and the sha256 of their contents.
    """

    def __init__(self, first: View, second: View, *, times: bool = False) -> None:
        self._times = times
        self.files: list[FileDifference] = []
        self.touched = 0
        self._compare("", first.root, second.root)

    def _compare(self, path: str, first: Node | None, second: Node | None) -> None:
        """Compare what is at a path, and all below it; a path has at most `entry.DEEPEST` names."""
        if first is None or second is None:
            self.files.append(FileDifference(
                path,
                None if first is None else listed_file(path, first),
                None if second is None else listed_file(path, second),
            ))  # fmt: skip
        elif aspects := _aspects(first, second):
            if aspects == ("mtime",):
                self.touched += 1
            if self._times or aspects != ("mtime",):
                self.files.append(
                    FileDifference(path, listed_file(path, first), listed_file(path, second), aspects)
                )
        before = (first.children if first is not None else None) or {}
        after = (second.children if second is not None else None) or {}
        for name in sorted(before.keys() | after.keys()):
            self._compare(f"{path}/{name}" if path else name, before.get(name), after.get(name))


def _aspects(first: Node, second: Node) -> tuple[str, ...]:
    """Return what differs between two files, as in `FileDifference.aspects`."""
    if first.entry is second.entry and first.is_directory == second.is_directory:
        return ()
    if kind_of(first) != kind_of(second):
        return ("type",)
    one, other = first.entry, second.entry
    found = [] if one is None or other is None else _content_aspects(one, other)
    if _mode(one) != _mode(other):
        found.append("mode")
    if _owner(one) != _owner(other):
        found.append("owner")
    if (one.xattrs if one else ()) != (other.xattrs if other else ()):
        found.append("xattrs")
    if one is not None and other is not None and one.mtime != other.mtime:
        found.append("mtime")
    return tuple(found)


def _content_aspects(one: Entry, other: Entry) -> list[str]:
    if one.kind is Kind.FILE:
        return ["content"] if (one.size, one.content) != (other.size, other.content) else []
    if one.kind is Kind.DIRECTORY:
        return []
    return [
        name for name, differs in (("link", one.link != other.link), ("device", one.device != other.device)) if differs
    ]


def _mode(entry: Entry | None) -> int:
    return 0o755 if entry is None else entry.mode


def _owner(entry: Entry | None) -> tuple[int, int]:
    return (0, 0) if entry is None else (entry.uid, entry.gid)
