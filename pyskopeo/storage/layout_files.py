"""The files of a layout directory: those of its blobs, those of killed runs, and those that are neither."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidDigest, PathNotFound, StorageFailed
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.layout import INDEX_FILE, LAYOUT_FILE
from ..model.verification import UnneededFile
from ..streams.cancellation import check_cancelled
from .files import storage_errors
from .partial_files import is_partial

if TYPE_CHECKING:
    from collections.abc import Container

BLOBS = "blobs"


@dataclass(frozen=True, slots=True)
class LayoutFile:
    """An entry of the directory of an algorithm below ``blobs``.

    ``digest`` is the one that its name stands for, None for other names. ``size`` is in bytes, of what a symbolic link
    leads to; 0 if that is nothing. ``is_directory`` is not followed through links.
    """

    algorithm: str
    name: str
    digest: Digest | None
    size: int
    is_directory: bool = False

    @property
    def is_leftover(self) -> bool:
        """Whether it is a temporary file of a copy that is running or was killed."""
        return is_partial(self.name)

    def described(self) -> UnneededFile:
        """Return it as one that nothing needs."""
        path = "/".join(filter(None, (BLOBS, self.algorithm, self.name)))
        return UnneededFile(path, self.size, self.is_leftover)


def check_layout_directory(path: Path) -> None:
    """Raise `PathNotFound`, with what is there instead, unless ``path`` is a layout, even a broken one."""
    try:
        names = set(os.listdir(path))
    except FileNotFoundError:
        raise PathNotFound(f"{path}: no OCI layout: no such file or directory") from None
    except NotADirectoryError:
        raise PathNotFound(
            f"{path}: no OCI layout: it is not a directory; the name of an archive is oci-archive:{path} or "
            f"docker-archive:{path}"
        ) from None
    except OSError:
        return  # that it cannot be listed does not mean that it cannot be read
    if not names & {INDEX_FILE, LAYOUT_FILE}:
        hint = ": a copy to it has not ended; run that again, or remove the directory" if names == {BLOBS} else ""
        raise PathNotFound(f"{path}: no OCI layout: there is no {INDEX_FILE} in this directory{hint}")


def stored_files(blobs: Path) -> Iterator[LayoutFile]:
    """Return all files in the directory ``blobs`` and in the directories below it, in any order.

    Directories that are below those are returned, and not read. Files that vanish meanwhile are left out. Raises
    `StorageFailed` for a directory that cannot be read, and `Cancelled`; in one that does not exist there are no files.
    """
    for entry in _entries(blobs):
        with storage_errors(f"reading {entry.path}"):
            is_directory = entry.is_dir()
        if is_directory:
            for inner in _entries(Path(entry.path)):
                if (found := _stored(entry.name, inner)) is not None:
                    yield found
        elif (found := _stored("", entry)) is not None:
            yield found


def unneeded_files(blobs: Path, needed: Container[Digest]) -> list[UnneededFile]:
    """Return the files below ``blobs`` whose digests are not ``needed``, sorted; raises `StorageFailed`."""
    found = (file for file in stored_files(blobs) if file.digest is None or file.digest not in needed)
    return sorted((file.described() for file in found), key=lambda file: file.path)


def leftovers_of(root: Path) -> list[UnneededFile]:
    """Return the temporary files of the layout's own documents, sorted; raises `StorageFailed`."""
    entries = (_stored("", entry) for entry in _entries(root) if is_partial(entry.name))
    return sorted((UnneededFile(e.name, e.size, True) for e in entries if e is not None), key=lambda file: file.path)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageFailed.of(error, f"reading {directory}") from error


def _stored(algorithm: str, entry: os.DirEntry[str]) -> LayoutFile | None:
    check_cancelled()
    try:
        own = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailed.of(error, f"reading {entry.path}") from error
    size = own.st_size
    if stat.S_ISLNK(own.st_mode):
        try:
            size = os.stat(entry.path).st_size
        except OSError:
            size = 0  # it leads nowhere
    try:
        digest = Digest.parse(f"{algorithm}:{entry.name}") if algorithm else None
    except InvalidDigest:
        digest = None
    return LayoutFile(algorithm, entry.name, digest, size, stat.S_ISDIR(own.st_mode))


def remove_stored(blobs: Path, files: Iterable[LayoutFile]) -> None:
    """Remove files below ``blobs``; those that are gone already are passed over. Raises `StorageFailed`.

    The directories of algorithms must be directories, and no symbolic links.
    """
    by_algorithm: dict[str, list[LayoutFile]] = {}
    for file in files:
        by_algorithm.setdefault(file.algorithm, []).append(file)
    for algorithm, group in by_algorithm.items():
        directory = blobs / algorithm
        with storage_errors(f"opening {directory}"):
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)  # no link out of it
        try:
            for file in group:
                with storage_errors(f"deleting {directory / file.name}"):
                    try:
                        os.unlink(file.name, dir_fd=fd)
                    except FileNotFoundError:
                        continue
        finally:
            os.close(fd)
