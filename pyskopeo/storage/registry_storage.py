"""A layout directory as the storage of a registry: repositories with their tags, manifests and blobs.

The layout stays one that other programs read. What belongs to a repository: the manifests of its entries
(``registry_entries``) and all that these lead to, and the blobs that were uploaded or mounted into it (``blob_links``).
Plain entries belong to every repository. A tag that moves leaves its old manifest in the repository, by its digest. The
entries of an index need no entries of their own.

Whoever names something holds a shared lock of ``blobs``, as writers of layouts do, so that nothing it needs is deleted
meanwhile; other processes may write into the layout at any time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DestinationRefused, NotFound
from ..model.layout import INDEX_FILE, LAYOUT_CONTENT, LAYOUT_FILE, LayoutIndex
from ..streams.cancellation import run_in_thread
from .blob_links import REGISTRY, BlobLinks
from .content_store import DIRECTORY_MODE, FILE_MODE
from .files import digest_name, note_use, storage_errors
from .locks import locked_if_possible
from .oci_layout import DirectoryFiles
from .partial_files import write_atomically
from .registry_changes import name_manifest, remove_manifest, remove_tag
from .registry_index import RegistryIndex
from .registry_uploads import Upload, Uploads
from .repository_contents import RepositoryContents

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .registry_entries import Repository

# The number of manifests and blobs of all repositories whose contents are kept in memory.
_MAX_KEPT = 3_000_000
_PLAIN = "is an image of the layout that belongs to every repository: it is deleted there, by its name oci:DIR:NAME"


class InUse(DestinationRefused):
    """Internal: what is to be deleted is needed by a manifest of the repository."""


class MissingReferences(DestinationRefused):
    """Internal: a manifest names content that the repository does not have: ``digests``."""

    def __init__(self, digests: Collection[Digest]) -> None:
        self.digests = tuple(digests)
        shown = ", ".join(map(str, self.digests[:3])) + (", ..." if len(self.digests) > 3 else "")
        super().__init__(f"the repository does not have what the manifest names: {shown}")


class RegistryStorage:
    """The registry in the layout ``root``, which may be a content store (``is_store``).

    In a store, only its owner can write to what is new, and the times of access say what was used. ``index`` has the
    names; call `RegistryIndex.refresh` before it is asked.
    """

    def __init__(self, root: Path, *, is_store: bool = False) -> None:
        from anyio import Lock

        self.root, self._is_store = root, is_store
        file_mode, directory_mode = (FILE_MODE, DIRECTORY_MODE) if is_store else (0o666, 0o777)
        self._file_mode, self._directory_mode = file_mode, directory_mode
        self._files = DirectoryFiles(root)
        self._blobs = root / "blobs"
        self.index = RegistryIndex(root, mode=file_mode)
        self.links = BlobLinks(root, file_mode=file_mode, directory_mode=directory_mode)
        self.uploads = Uploads(root, file_mode=file_mode, directory_mode=directory_mode)
        self._with_contents: dict[str, None] = {}
        self._reading = Lock()

    def create(self) -> None:
        """Make the layout and the directories of a registry where they are missing.

        Raises `StorageFailed`, and `DestinationRefused` for a directory with other files.
        """
        self._check_directory()
        with storage_errors(f"creating {self.root}"):
            self.root.mkdir(self._directory_mode, parents=True, exist_ok=True)
            for path in (self._blobs, self._blobs / "sha256", self.root / REGISTRY):
                path.mkdir(self._directory_mode, exist_ok=True)
            if not (self.root / LAYOUT_FILE).exists():
                write_atomically(self.root / LAYOUT_FILE, LAYOUT_CONTENT, self._file_mode)
            if not (self.root / INDEX_FILE).exists():
                write_atomically(self.root / INDEX_FILE, LayoutIndex.empty().without(()).raw, self._file_mode)

    def _check_directory(self) -> None:
        with storage_errors(f"opening {self.root}"):
            names = set(os.listdir(self.root)) if self.root.exists() else set()
        if names and not names & {"blobs", INDEX_FILE, LAYOUT_FILE, REGISTRY}:
            message = f"{self.root} is not empty and no OCI layout: choose a layout, or an empty directory"
            raise DestinationRefused(message)

    def exists(self, repository: str) -> bool:
        """Return whether there is such a repository: it has or had content, or there are plain entries."""
        index = self.index
        return index.get(repository) is not None or index.common.has_entries or self.links.knows(repository)

    async def media_type(self, repository: str, digest: Digest) -> str | None:
        """Return the media type of a manifest as its entry states it, "" for none; None for what does not belong."""
        for part in (self.index.get(repository), self.index.common):
            if part is not None and (entry := part.entry_of(digest)) is not None:
                return entry.media_type
        if self.size_of(digest) is None:
            return None  # so it is below no index: what belongs to a repository is not looked for
        for part in (self.index.get(repository), self.index.common):
            if part is not None and part.has_entries and (found := (await self._contents(part)).manifests.get(digest)):
                return found
        return None

    async def belongs(self, repository: str, digest: Digest) -> bool:
        """Return whether a blob or a manifest that is there belongs to a repository."""
        if self.size_of(digest) is None:
            return False
        if self.links.has(repository, digest):
            return True
        for part in (self.index.get(repository), self.index.common):
            if part is not None and (part.entry_of(digest) or digest in await self._contents(part)):
                return True
        return False

    def size_of(self, digest: Digest) -> int | None:
        """Return the size of a blob's file in bytes; None if there is none."""
        try:
            found = os.stat(self._blobs / digest_name(digest))
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def note_use(self, digest: Digest) -> None:
        """Note that a blob or manifest is used now, where that counts."""
        if self._is_store:
            note_use(self._blobs / digest_name(digest))

    async def referrers(self, repository: str, digest: Digest) -> list[Descriptor]:
        """Return the manifests of a repository whose subject is ``digest``."""
        found: dict[Digest, Descriptor] = {}
        for part in (self.index.common, self.index.get(repository)):
            if part is not None and part.has_entries:
                found |= (await self._contents(part)).referrers.get(digest, {})
        return list(found.values())

    async def put_manifest(
        self, repository: str, manifest: Manifest, tags: Collection[str] = (), *,
        allowed: Callable[[Digest | None], bool] | None = None,
    ) -> None:  # fmt: skip
        """Store a manifest, and let ``tags`` refer to it; without any it is kept by its digest.

        ``allowed`` is called with the digest that the tag, or else the manifest, has in the repository, None without
        one, and returns whether it may be replaced. Raises `MissingReferences`, `TagMoved`, `InvalidContent` and
        `StorageFailed`.
        """
        async with locked_if_possible(self._blobs, shared=True):
            needed = {one.digest: one for one in _needed(manifest)}
            unlinked = await run_in_thread(partial(self._unlinked, repository, needed.values()))
            missing = [one.digest for one in unlinked if not await self._has(repository, one)]
            if missing:
                raise MissingReferences(missing)
            await run_in_thread(partial(self._write_manifest, manifest))
            await self.index.change(partial(name_manifest, repository, manifest, tuple(tags), allowed))
        found = self.index.get(repository)
        if found is not None and found.contents is not None:
            found.contents.add(manifest)

    async def delete_tag(self, repository: str, tag: str) -> None:
        """Remove a tag, but not its manifest; raises `NotFound`, `InUse` for that of a plain entry, `StorageFailed`."""
        await self.index.refresh()
        found = self.index.get(repository)
        if (found is None or tag not in found.tags) and self.index.plain.positions(tag):
            raise InUse(f"tag {tag} {_PLAIN}")
        await self.index.change(partial(remove_tag, repository, tag))

    async def delete_manifest(self, repository: str, digest: Digest) -> None:
        """Remove a manifest and all its tags from a repository; its blobs stay until the layout is pruned.

        Raises `NotFound`, `InUse` for a part of an index and for a plain entry, and `StorageFailed`.
        """
        await self.index.refresh()
        if (found := self.index.get(repository)) is None or found.entry_of(digest) is None:
            if self.index.common.entry_of(digest) is not None:
                raise InUse(f"{digest} {_PLAIN}")
            if await self.media_type(repository, digest) is not None:
                raise InUse(f"{digest} is part of an index of this repository: delete that")
            raise NotFound(f"{digest} is not in this repository")
        await self.index.change(partial(remove_manifest, repository, digest))
        if (found := self.index.get(repository)) is not None:
            self._forget(found)

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        """Remove a blob from a repository; the file stays until the layout is pruned.

        Raises `NotFound`, `InUse` if a manifest needs it, and `StorageFailed`.
        """
        await self.index.refresh()
        for part in (self.index.get(repository), self.index.common):
            if part is not None and part.has_entries and digest in await self._contents(part):
                raise InUse(f"a manifest of this repository needs {digest}: delete that first")
        if not (self.links.has(repository, digest) and self.links.remove(repository, digest)):
            raise NotFound(f"{digest} is not in this repository")

    async def link_blob(self, repository: str, digest: Digest) -> bool:
        """Let a blob that is in the layout belong to a repository; return whether its file is there."""
        async with locked_if_possible(self._blobs, shared=True):
            if self.size_of(digest) is None:
                return False
            await run_in_thread(partial(self.links.add, repository, digest))
            return True

    async def finish_upload(self, upload: Upload, digest: Digest) -> None:
        """Verify an upload and make it a blob of its repository.

        Raises `ContentMismatch`, `Unsupported` and `StorageFailed`.
        """
        if upload.is_hashed(digest.algorithm):
            upload.verify(digest)
        else:
            await run_in_thread(partial(upload.verify, digest))
        async with locked_if_possible(self._blobs, shared=True):
            await run_in_thread(partial(self._place, upload, digest))
        self.uploads.remove(upload.identity)

    def _place(self, upload: Upload, digest: Digest) -> None:
        path = self._blobs / digest_name(digest)
        with storage_errors(f"storing {digest}"):
            path.parent.mkdir(self._directory_mode, exist_ok=True)
            self.links.add(upload.repository, digest)
            os.replace(upload.path, path)

    def _write_manifest(self, manifest: Manifest) -> None:
        path = self._blobs / digest_name(manifest.digest)
        with storage_errors(f"storing {manifest.digest}"):
            path.parent.mkdir(self._directory_mode, exist_ok=True)
        write_atomically(path, manifest.raw, self._file_mode)

    def _unlinked(self, repository: str, descriptors: Collection[Descriptor]) -> list[Descriptor]:
        """Return those that were not uploaded or mounted into a repository, or have another size."""
        return [
            one for one in descriptors
            if self.size_of(one.digest) != one.size or not self.links.has(repository, one.digest)
        ]  # fmt: skip

    async def _has(self, repository: str, descriptor: Descriptor) -> bool:
        size = self.size_of(descriptor.digest)
        return size == descriptor.size and await self.belongs(repository, descriptor.digest)

    async def _contents(self, repository: Repository) -> RepositoryContents:
        """Return what a repository leads to; read at the first call, and kept."""
        known = repository.contents
        if known is not None and not known.unread:
            return known
        async with self._reading:
            known = repository.contents or RepositoryContents(unread=repository.roots)
            roots = tuple(known.unread.items())
            if roots:
                known.merge(await run_in_thread(partial(RepositoryContents.read, self._files, roots)), roots)
            if repository.contents is None and dict(roots) == repository.roots:
                repository.contents = known  # otherwise it has changed meanwhile: right for this request
                self._with_contents[repository.name] = None
                self._forget_others(repository.name)
        return known

    def _forget(self, repository: Repository) -> None:
        repository.contents = None
        self._with_contents.pop(repository.name, None)

    def _forget_others(self, kept: str) -> None:
        """Forget the contents of repositories that were read long ago while those of all are too large."""
        sizes = {}
        for name in list(self._with_contents):
            found = self.index.get(name) if name else self.index.common
            if found is None or found.contents is None:
                del self._with_contents[name]
            else:
                sizes[name] = len(found.contents.manifests) + len(found.contents.blobs)
        total = sum(sizes.values())
        for name in [name for name in self._with_contents if name != kept]:
            if total <= _MAX_KEPT:
                break
            total -= sizes[name]
            found = self.index.get(name) if name else self.index.common
            if found is not None:
                self._forget(found)


def _needed(manifest: Manifest) -> list[Descriptor]:
    """Return what has to be there before a manifest is: not its subject, and not layers that come from elsewhere."""
    if manifest.is_index:
        return list(manifest.manifests)
    return [one for one in manifest.blobs if not one.urls]
