"""The destination of extracted files: a new directory that is renamed when it is complete, or one that is there."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..errors import DestinationRefused, StorageFailed
from ..storage.files import storage_errors
from ..storage.partial_files import create_partial_directory, is_partial, partial_name, remove_leftovers
from .contents import Attributes, ContentDirectory
from .tree_writer import TreeWriter, check_case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .overlay import Node

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MODE = 0o755


class Extraction:
    """Files on their way into the directory ``path``, which is new or empty, or has content that they are added to.

    A context manager: on entering, a private temporary directory is made, beside a new directory or in one that is
    there; it is removed on leaving. ``contents`` is where the contents go first. A new directory gets its name when all
    is written, and what goes into an empty one is complete before it is moved there.
    """

    contents: ContentDirectory

    def __init__(
        self, path: Path, attributes: Attributes, *, overwrite: bool = False, hashed: bool = False
    ) -> None:  # fmt: skip
        """``overwrite`` allows a directory with content, in which files of the same names are replaced.

        Raises `DestinationRefused` for one without it and for what is no directory, and `StorageFailed`.
        """
        self._path, self._attributes, self._hashed = path, attributes, hashed
        self._exists, self._merges = _check(path, overwrite=overwrite)

    def __enter__(self) -> Self:
        parent = self._path if self._exists else self._path.parent
        self._partial = parent / partial_name(self._path.name or "extract")
        with storage_errors(f"creating {self._path}"):
            self._lock = create_partial_directory(self._partial, 0o700)
        try:
            remove_leftovers(parent, self._path.name or "extract")
            with storage_errors(f"creating {self._path}"):
                (self._partial / "contents").mkdir(mode=0o700)
                (self._partial / "root").mkdir(mode=0o700)
            self.contents = ContentDirectory(
                self._partial / "contents", attributes=self._attributes, hashed=self._hashed
            )  # fmt: skip
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.contents.close()
        self._remove()

    def write(self, nodes: Sequence[tuple[str, Node]], root: Node) -> list[str]:
        """Write the files, and give a new directory its name; for a worker thread.

        ``root`` is the root of the image, whose attributes a new directory gets. Returns the paths of devices and named
        pipes that were left out. Raises as `TreeWriter.write`, and `InvalidContent` for names that the file system
        cannot tell apart.
        """
        if self._ignores_case():
            check_case(nodes, str(self._path))
        target = self._path if self._merges else self._partial / "root"
        with storage_errors(f"opening {self._path}"):
            fd = os.open(target, _DIRECTORY)
        try:
            writer = TreeWriter(fd, self.contents, self._attributes)
            writer.write(nodes)
            with storage_errors(f"creating {self._path}"):
                if not self._exists:
                    os.rename(target, self._path)
                elif not self._merges:
                    _move_files(target, self._path)
            if not self._exists:
                self._finish_root(fd, root)
        finally:
            os.close(fd)
        return writer.left_out

    def _finish_root(self, fd: int, root: Node) -> None:
        with storage_errors(f"setting the attributes of {self._path}"):
            if root.entry is None:
                os.fchmod(fd, _MODE)
            else:
                self._attributes.apply(fd, root.entry)
            if self._attributes.special_bits:
                # Others could run the programs in it as their owner (CVE-2021-41103).
                os.fchmod(fd, 0o700)

    def _ignores_case(self) -> bool:
        """Return whether the file system takes names that differ in case for the same."""
        probe = self._partial / "case"
        with storage_errors(f"creating {self._path}"):
            probe.touch()
            return os.path.lexists(self._partial / "CASE")

    def _remove(self) -> None:
        with suppress(OSError):
            _remove_directory(self._partial)
        os.close(self._lock)


def _check(path: Path, *, overwrite: bool) -> tuple[bool, bool]:
    """Return whether the directory is there, and whether it has content; raises as `Extraction`."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        if os.path.lexists(path):
            reason = "is a symbolic link to nothing: remove it, or choose another path"
            raise DestinationRefused(f"{path} {reason}") from None
        if not path.parent.is_dir():
            raise StorageFailed(f"creating {path}: no directory {path.parent}") from None
        return False, False
    except OSError as error:
        raise StorageFailed.of(error, f"opening {path}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise DestinationRefused(f"{path} is there and is not a directory: remove it, or choose another path")
    with storage_errors(f"reading {path}"):
        has_content = any(not is_partial(name) for name in os.listdir(path))
    if has_content and not overwrite:
        raise DestinationRefused(
            f"{path} is not empty: choose a new directory, or replace files in this one with --overwrite"
        )
    return True, has_content


def _move_files(source: Path, target: Path) -> None:
    """Move all files of one private directory to another one; raises `OSError`."""
    for name in sorted(os.listdir(source)):
        found = os.lstat(source / name)
        locked = stat.S_ISDIR(found.st_mode) and not found.st_mode & stat.S_IWUSR
        if locked:  # a directory that must not be written to cannot get another parent
            os.chmod(source / name, 0o700)
        os.rename(source / name, target / name)
        if locked:
            os.chmod(target / name, stat.S_IMODE(found.st_mode))


def _remove_directory(path: Path) -> None:
    """Remove a private directory; unlike `shutil.rmtree`, also one with directories that must not be written to.

    Raises `OSError`.
    """
    path.chmod(0o700)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_directory(path / entry.name)
            else:
                os.unlink(entry.path)
    path.rmdir()
