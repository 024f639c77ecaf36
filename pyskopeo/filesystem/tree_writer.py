"""Write the files of an image below a directory, by descriptors of directories: nothing is ever followed.

Every directory is made, or opened without following a link, relative to the open one that it is in; every other file is
put under its name by a rename. So nothing that an image contains, and no link that is there, leads to another place.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DestinationRefused, InvalidContent, StorageFailed
from ..streams.cancellation import check_cancelled
from .contents import shown
from .entry import Entry, Kind

if TYPE_CHECKING:
    from .contents import Attributes, ContentDirectory
    from .overlay import Node

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = "new"
_IMPLICIT_MODE = 0o755


class _Directory(NamedTuple):
    """A directory that is open; ``made`` is whether it was not there before."""

    name: str
    fd: int
    entry: Entry | None
    made: bool


class TreeWriter:
    """Writes files below the directory that is open as ``root``; ``contents`` are on the same file system.

    ``left_out`` are the paths of the devices and named pipes that were not made.
    """

    def __init__(self, root: int, contents: ContentDirectory, attributes: Attributes) -> None:
        self._root, self._contents, self._attributes = root, contents, attributes
        # The directories that are open below the root: the one that is written to is the last.
        self._open: list[_Directory] = []
        self._links: Counter[tuple[int, int]] = Counter()
        self.left_out: list[str] = []

    def write(self, nodes: Sequence[tuple[str, Node]]) -> None:
        """Write files, each directory before what is in it; for a worker thread.

        Files that are there are replaced, directories are kept. Raises `StorageFailed`, `DestinationRefused` for a
        file where a directory belongs or the other way round, and `Cancelled`.
        """
        self._links.update(node.entry.key for _, node in nodes if node.entry and node.entry.kind is Kind.FILE)
        try:
            for path, node in nodes:
                check_cancelled()
                directory, _, name = path.rpartition("/")
                self._go_to(directory.split("/") if directory else [])
                try:
                    self._write(path, name, node)
                except OSError as error:
                    raise StorageFailed.of(error, f"writing {shown(path)}") from error
            self._go_to([])
        finally:
            for opened in self._open:
                os.close(opened.fd)

    def _go_to(self, names: list[str]) -> None:
        """Leave the directories that are not on the way to this one, the innermost first."""
        while [directory.name for directory in self._open] != names[: len(self._open)]:
            last = self._open.pop()
            try:
                if last.entry is not None:
                    self._attributes.apply(last.fd, last.entry)
                elif last.made:
                    os.fchmod(last.fd, _IMPLICIT_MODE)
                    os.utime(last.fd, ns=(0, 0))
            except OSError as error:
                raise StorageFailed.of(error, f"setting the attributes of {shown(last.name)}") from error
            finally:
                os.close(last.fd)

    def _write(self, path: str, name: str, node: Node) -> None:
        if node.is_directory:
            self._enter(path, name, node.entry)
            return
        entry = node.entry
        assert entry is not None
        if entry.kind in (Kind.CHARACTER, Kind.BLOCK, Kind.FIFO) and not self._attributes.devices:
            self.left_out.append(path)
            return
        if entry.kind is Kind.FILE:
            source = self._take_content(entry)
        else:
            source = _NEW
            self._make(entry)
        try:
            encoded = name.encode("utf-8", "surrogateescape")
            os.rename(source, encoded, src_dir_fd=self._contents.fd, dst_dir_fd=self._here)
        except IsADirectoryError as error:
            raise DestinationRefused(f"{shown(path)} is there and is a directory, unlike in the image") from error

    @property
    def _here(self) -> int:
        """The directory that is written to."""
        return self._open[-1].fd if self._open else self._root

    def _enter(self, path: str, name: str, entry: Entry | None) -> None:
        """Make a directory, or open the one that is there."""
        encoded, made = name.encode("utf-8", "surrogateescape"), True
        try:
            os.mkdir(encoded, 0o700, dir_fd=self._here)
        except FileExistsError:
            made = False
        try:
            fd = os.open(encoded, _OPEN_DIRECTORY, dir_fd=self._here)
        except OSError as error:
            if made:
                raise
            raise DestinationRefused(f"{shown(path)} is there and is no directory, as it is in the image") from error
        self._open.append(_Directory(name, fd, entry, made))

    def _take_content(self, entry: Entry) -> str:
        """Return the name of a file with the content: the content itself, or a hard link if it is needed again."""
        source = self._contents.name(entry.key)
        self._links[entry.key] -= 1
        if not self._links[entry.key]:
            return source
        os.link(source, _NEW, src_dir_fd=self._contents.fd, dst_dir_fd=self._contents.fd, follow_symlinks=False)
        return _NEW

    def _make(self, entry: Entry) -> None:
        """Make a symbolic link, a device or a named pipe."""
        fd, mode = self._contents.fd, self._attributes.mode(entry)
        if entry.kind is Kind.SYMLINK:
            os.symlink(entry.link.encode("utf-8", "surrogateescape"), _NEW, dir_fd=fd)
        elif entry.kind is Kind.FIFO:
            os.mkfifo(_NEW, 0o600, dir_fd=fd)
        else:
            kind = stat.S_IFCHR if entry.kind is Kind.CHARACTER else stat.S_IFBLK
            os.mknod(_NEW, 0o600 | kind, os.makedev(*entry.device), dir_fd=fd)
        if self._attributes.owner:
            os.chown(_NEW, entry.uid, entry.gid, dir_fd=fd, follow_symlinks=False)
        if entry.kind is not Kind.SYMLINK:
            os.chmod(_NEW, mode, dir_fd=fd)  # what has just been made in a private directory
        os.utime(_NEW, ns=(entry.mtime, entry.mtime), dir_fd=fd, follow_symlinks=False)


def check_case(nodes: Sequence[tuple[str, Node]], where: str) -> None:
    """Raise `InvalidContent` for names that a file system takes for the same, which does not tell case apart.

    ``where`` names the directory.
    """
    import unicodedata

    seen: dict[str, str] = {}
    for path, _ in nodes:
        other = seen.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        if other != path:
            raise InvalidContent(
                f"{where} is on a file system that does not tell {shown(other)} and {shown(path)} apart: "
                "choose another directory, or other files with --path"
            )
