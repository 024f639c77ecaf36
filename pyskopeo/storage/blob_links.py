"""Which blobs were uploaded or mounted into which repository of a registry: an empty file for each.

They are ``registry/repositories/NAME/_blobs/ALGORITHM/HEX`` in the layout; the names of repositories have no component
that begins with an underscore (distribution specification, "Pulling manifests").
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .files import digest_name, storage_errors

if TYPE_CHECKING:
    from ..model.digest import Digest

REGISTRY = "registry"
# Seconds since a blob was uploaded or mounted in which it is not garbage: the manifest that names it comes last.
RECENT = 3600.0
_REPOSITORIES, _BLOBS = "repositories", "_blobs"


class BlobLinks:
    """The links in the layout ``root``; modes are those of new directories and files, limited by the umask."""

    def __init__(self, root: Path, *, file_mode: int = 0o666, directory_mode: int = 0o777) -> None:
        self._base = root / REGISTRY / _REPOSITORIES
        self._file_mode, self._directory_mode = file_mode, directory_mode

    def add(self, repository: str, digest: Digest) -> None:
        """Note that a blob belongs to a repository, now; raises `StorageFailed`."""
        path = self._path(repository, digest)
        with storage_errors(f"linking {digest} into {repository}"):
            try:
                self._touch(path)
            except FileNotFoundError:
                make_directories(path.parent, self._directory_mode)
                self._touch(path)

    def has(self, repository: str, digest: Digest) -> bool:
        """Return whether a blob was uploaded or mounted into a repository."""
        return os.path.lexists(self._path(repository, digest))

    def remove(self, repository: str, digest: Digest) -> bool:
        """Remove a link; return whether there was one. Raises `StorageFailed`."""
        with storage_errors(f"unlinking {digest} from {repository}"):
            try:
                self._path(repository, digest).unlink()
            except FileNotFoundError:
                return False
        return True

    def knows(self, repository: str) -> bool:
        """Return whether anything was ever uploaded into a repository."""
        return os.path.isdir(self._base / repository / _BLOBS)

    def recent(self, age: float) -> Iterator[str]:
        """Yield the digests, as text, of links that were made in the last ``age`` seconds. Raises `StorageFailed`."""
        for path, digest in _links(self._base):
            try:
                made = os.lstat(path).st_mtime
            except FileNotFoundError:
                continue
            if abs(time.time() - made) <= age:
                yield digest

    def remove_dangling(self, is_there: Callable[[str], bool]) -> None:
        """Remove the links of blobs, given as text, that are not there any more; raises `StorageFailed`."""
        for path, digest in list(_links(self._base)):
            if not is_there(digest):
                with storage_errors(f"deleting {path}"):
                    Path(path).unlink(missing_ok=True)

    def _touch(self, path: Path) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, self._file_mode))
        os.utime(path, follow_symlinks=False)

    def _path(self, repository: str, digest: Digest) -> Path:
        return self._base / repository / _BLOBS / digest_name(digest)


def is_registry_layout(root: Path) -> bool:
    """Return whether a layout was served for writing: then it consists of repositories."""
    return os.path.isdir(root / REGISTRY)


def awaited_blobs(root: Path) -> frozenset[str]:
    """Return the digests of blobs that were pushed to a registry lately: a manifest may be about to name them."""
    return frozenset(BlobLinks(root).recent(RECENT)) if is_registry_layout(root) else frozenset()


def _links(base: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the digest of each link below a directory."""
    for directory, _, names in os.walk(base):
        above, algorithm = os.path.split(directory)
        if os.path.basename(above) == _BLOBS:
            yield from ((f"{directory}/{name}", f"{algorithm}:{name}") for name in names)


def make_directories(path: Path, mode: int) -> None:
    """Create a directory and its parents, each with ``mode``."""
    if not path.parent.is_dir():
        make_directories(path.parent, mode)
    path.mkdir(mode, exist_ok=True)
