"""Write the files of an image as one tar archive: the same image gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..storage.tar_encoding import MemberAttributes, header
from ..streams.cancellation import check_cancelled
from .entry import Entry, Kind

if TYPE_CHECKING:
    from ..storage.tar import TarWriter
    from .contents import ContentDirectory
    from .overlay import Node

_TYPES = {
    Kind.FILE: b"0", Kind.HARDLINK: b"1", Kind.SYMLINK: b"2", Kind.CHARACTER: b"3", Kind.BLOCK: b"4",
    Kind.DIRECTORY: b"5", Kind.FIFO: b"6",
}  # fmt: skip
_IMPLICIT_MODE = 0o755


def write_archive(writer: TarWriter, nodes: Sequence[tuple[str, Node]], contents: ContentDirectory) -> None:
    """Write all files in their order, with owners, times and extended attributes; for a worker thread.

    Of several hard links the first one is the file, the others are links to it. Raises `StorageFailed`, `Cancelled`.
    """
    written: dict[tuple[int, int], str] = {}
    for path, node in nodes:
        check_cancelled()
        entry = node.entry
        if entry is None:
            writer.add_header(header(f"{path}/", mode=_IMPLICIT_MODE, kind=_TYPES[Kind.DIRECTORY]))
        elif node.is_directory:
            writer.add_header(_header(f"{path}/", entry))
        elif entry.kind is Kind.FILE and (first := written.setdefault(entry.key, path)) != path:
            writer.add_header(_header(path, entry, link=first))
        elif entry.kind is Kind.FILE:
            source = contents.path / contents.name(entry.key)
            writer.add_member(_header(path, entry), source, entry.size)
        else:
            writer.add_header(_header(path, entry, link=entry.link))
    writer.finish()


def _header(name: str, entry: Entry, *, link: str = "") -> bytes:
    kind = Kind.HARDLINK if link and entry.kind is Kind.FILE else entry.kind
    size = 0 if kind is Kind.HARDLINK else entry.size
    attributes = MemberAttributes(entry.uid, entry.gid, entry.mtime, entry.device, entry.xattrs)
    return header(name, mode=entry.mode, size=size, kind=_TYPES[kind], link=link, attributes=attributes)
