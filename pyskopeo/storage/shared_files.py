"""What is known of local files, and shared by the images that are copied together."""

from __future__ import annotations

import math
import os
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import SharedFiles
from .existing_blobs import ExistingBlobs
from .files import storage_errors
from .index_file import IndexFile
from .partial_files import partial_names, remove_leftovers, shown_name
from .verified_files import VerifiedFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..access import Access
    from .docker_archive.reader import DockerArchive

_RECORD = "verified-files"


class RunFiles(SharedFiles):
    """Files that were verified, indexes of layouts and archives, and directories in which leftovers were looked for.

    ``cache`` is the directory for the record of verified files, None to keep it in memory. With ``deferred`` the
    indexes of layouts are written by `flush` only. ``partial_age`` is that of `Storage`, ``linked`` that of
    `VerifiedFiles`. ``store`` is the `ContentStore` of the run, if it has one and has used it. ``without_locks`` are
    directories that could not be locked, since their file systems have no locks.
    """

    def __init__(
        self, cache: Path | None, *, deferred: bool = False, partial_age: float = math.inf, linked: bool = False
    ) -> None:
        self._partial_age = partial_age
        self.verified = VerifiedFiles(None if cache is None else cache / _RECORD, linked=linked)
        self.store: object = None
        self.without_locks: set[Path] = set()
        self._deferred = deferred
        self._indexes: dict[Path, IndexFile] = {}
        self._leftovers: dict[Path, frozenset[str]] = {}
        self._made: list[Path] = []
        self._archives: dict[Path, DockerArchive] = {}
        self._opened = AsyncExitStack()
        # Locks, by directory, of images that `flush` has still to write.
        self._held: dict[Path, int] = {}

    @classmethod
    def of(cls, access: Access) -> RunFiles:
        """Return those of a run, or new ones for a single copy."""
        shared = access.storage.shared_files
        if isinstance(shared, RunFiles):
            return shared
        storage = access.storage
        return cls(storage.cache, partial_age=storage.partial_age, linked=storage.store is not None)

    @classmethod
    def of_many(cls, writing: Access, *others: Access) -> RunFiles:
        """Return new ones for many images; ``writing`` is the access of the destination, ``others`` of sources."""
        storage, linked = writing.storage, any(one.storage.store is not None for one in (writing, *others))
        return cls(storage.cache, deferred=True, partial_age=storage.partial_age, linked=linked)

    def existing_blobs(self, access: Access, warn: Callable[[str], None] | None = None) -> ExistingBlobs:
        """Return what decides whether a file at the destination is a blob."""
        return ExistingBlobs(self.verified, always=access.writing.verify_existing, warn=warn)

    def index(self, root: Path) -> IndexFile:
        """Return the index of a layout, always the same object."""
        if root not in self._indexes:
            self._indexes[root] = IndexFile(root, deferred=self._deferred)
        return self._indexes[root]

    @property
    def due(self) -> bool:
        """Whether it is time to call `flush`, when there are more images to come."""
        return any(index.due for index in self._indexes.values())

    async def flush(self) -> None:
        """Write the indexes of layouts, and release their locks; raises what `IndexFile.flush` raises."""
        held, self._held = self._held, {}
        try:
            for index in self._indexes.values():
                await index.flush()
        finally:
            for lock in held.values():
                os.close(lock)

    def release(self, directory: Path, lock: int) -> None:
        """Release a lock of an image that is finished; if its entry in the index is deferred, not before `flush`."""
        if self._deferred and directory not in self._held:
            self._held[directory] = lock
        else:
            os.close(lock)

    def make_directory(self, directory: Path, *, required: bool = False) -> None:
        """Create a directory and its parents where they are missing; raises `StorageFailed`.

        `remove_empty_directories` removes them again, unless they are ``required`` even without content.
        """
        missing = []
        current = directory
        while not current.is_dir():
            missing.append(current)
            current = current.parent
        for path in reversed(missing):
            with storage_errors(f"creating {path}"):
                path.mkdir(exist_ok=True)
            self._made.append(path)
        if required and directory in self._made:
            self._made.remove(directory)

    def remove_empty_directories(self) -> None:
        """Remove the directories that were made for images that could not be copied; for the end of a run.

        Errors are ignored, since directories that are not empty must stay.
        """
        for path in reversed(self._made):
            with suppress(OSError):
                path.rmdir()
        self._made.clear()

    async def open_docker_archive(self, path: Path, access: Access) -> DockerArchive:
        """Open an archive and read what is in it, once for all images of the run, until `aclose`.

        Raises what `readable_archive` and `DockerArchive.read` raise.
        """
        from .docker_archive.reader import DockerArchive
        from .scratch import readable_archive

        if path not in self._archives:
            opening = readable_archive(path, access.storage.scratch, access.storage.max_inflated)
            self._archives[path] = DockerArchive.read(await self._opened.enter_async_context(opening))
        return self._archives[path]

    def docker_archive(self, path: Path) -> DockerArchive | None:
        """Return an archive that `open_docker_archive` has opened."""
        return self._archives.get(path)

    async def aclose(self) -> None:
        """Remove what archives were unpacked to."""
        self._archives.clear()
        await self._opened.aclose()

    def save(self) -> None:
        self.verified.save()

    def remove_leftovers(
        self, directory: Path, name: str = "", *, restore: Path | None = None, done: Iterable[str] = ()
    ) -> None:
        """Call `partial_files.remove_leftovers` if there are any.

        Each directory is read at the first call, and again after some were removed.
        """
        if directory not in self._leftovers:
            self._leftovers[directory] = partial_names(directory)
        names = self._leftovers[directory]
        if shown_name(name) in names if name else names:
            remove_leftovers(directory, name, restore=restore, age=self._partial_age, done=frozenset(done))
            self._leftovers[directory] = partial_names(directory)
