"""A node of an image's merged view, as users see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model.extracted_files import ImageFile

if TYPE_CHECKING:
    from .overlay import Node


def kind_of(node: Node) -> str:
    """Return the kind of a file, as in `ImageFile.kind`."""
    return "directory" if node.is_directory or node.entry is None else node.entry.kind.name.lower()


def listed_file(path: str, node: Node) -> ImageFile:
    """Return a file as it is listed."""
    entry = node.entry
    if entry is None:
        return ImageFile(path, "directory", 0o755, 0, 0, 0, 0, 0)
    kind = kind_of(node)
    return ImageFile(
        path, kind, entry.mode, entry.uid, entry.gid, entry.size, entry.mtime, entry.layer, entry.link,
        entry.device if kind in ("character", "block") else None,
    )  # fmt: skip
