"""List, measure, verify and prune a content store."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, InvalidDigest, NotFound, PathNotFound, StorageFailed, TooLarge, Unsupported
from ..fast_dataclass import dataclass
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.layout import REF_NAME
from ..model.manifest import Manifest
from ..model.reachability import Reachability
from ..model.stored_content import Pruning, StoredFile, StoredImage, StoreSize, StoreVerification
from ..model.strict_json import MANIFEST_LIMIT
from ..model.verifier import Verifier
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import each, processors
from ..streams.progress import uncounted
from ..streams.pump import FileReader, NullSink, pump
from .files import digest_name, storage_errors
from .index_file import IndexFile
from .layer_index_files import LayerIndexFiles
from .locks import locked
from .partial_files import is_partial, remove_leftovers

if TYPE_CHECKING:
    from ..model.layout import LayoutIndex
    from .verified_files import VerifiedFiles

_WEEK = 7 * 24 * 3600.0


@dataclass(slots=True)
class _Contents:
    """The files of a store, by digest, and the bytes of partial ones."""

    files: dict[Digest, StoredFile] = field(default_factory=dict)
    partial: int = 0


class StoreContents:
    """The content store in the directory ``root``; raises `PathNotFound` if there is none."""

    def __init__(self, root: Path) -> None:
        self._root, self._blobs = root, root / "blobs"
        self._index = IndexFile(root)
        self._layers = LayerIndexFiles(root)
        if not self._blobs.is_dir():
            raise PathNotFound(f"{root}: there is no content store; a copy with --store makes one")

    def images(self) -> list[StoredImage]:
        """Return the images in the index, in its order; raises `InvalidContent` and `StorageFailed`."""
        files = self._read().files
        return [self._image(entry, files) for entry in self._entries()]

    def measure(self) -> StoreSize:
        """Return how much is in the store; raises `InvalidContent` and `StorageFailed`."""
        contents = self._read()
        files, entries = contents.files, self._entries()
        named = {digest for entry in entries for digest in self._reach(entry, files)[0]}
        every = files.values()
        return StoreSize(
            images=len(entries),
            files=len(files),
            size=sum(file.size for file in every),
            linked=sum(file.size for file in every if file.links > 1),
            unnamed=sum(file.size for file in every if file.digest not in named),
            partial=contents.partial,
            indexes=sum(file.size for file in self._layers.files()),
        )

    async def verify(
        self, verified: VerifiedFiles, *, remove: bool = True, on_wait: Callable[[], None] | None = None
    ) -> StoreVerification:
        """Read every file and compare it with its digest; remove those that are wrong, so that they are fetched again.

        Indexes of layers are compared with their checksums.
        What was verified is added to ``verified``. ``on_wait`` is called if copies use the store for long, whose end
        is waited for before anything is removed. Raises `StorageFailed`.
        """
        files = self._read().files
        wrong: list[StoredFile] = []

        async def check(file: StoredFile) -> None:
            if not await self._is_right(file, verified):
                wrong.append(file)

        await each(files.values(), check, at_once=processors())
        if wrong and remove:
            async with locked(self._blobs, on_wait=on_wait):
                # A copy may have replaced them while the lock was waited for.
                wrong = [file for file in wrong if not await self._is_right(file, verified)]
                await self._remove(wrong)
        wrong.sort(key=lambda file: str(file.digest))
        size = sum(file.size for file in files.values())
        return StoreVerification(len(files), size, tuple(wrong), remove, await self._verify_indexes(remove=remove))

    async def _verify_indexes(self, *, remove: bool) -> tuple[StoredFile, ...]:
        """Return the indexes of layers that cannot be used; a later run makes them again."""
        files = sorted(self._layers.files(), key=lambda file: str(file.digest))
        found = [await run_in_thread(partial(self._layers.read, file.digest, use=False)) for file in files]
        wrong = tuple(file for file, content in zip(files, found, strict=True) if content is None)
        for file in wrong if remove else ():
            self._layers.remove(file.digest)
        return wrong

    async def prune(
        self, *, older_than: float | None = None, max_size: int | None = None, dry_run: bool = False,
        on_wait: Callable[[], None] | None = None,
    ) -> Pruning:  # fmt: skip
        """Remove what was not used for ``older_than`` seconds, then the least recently used until the rest fits.

        ``max_size`` is in bytes. Waits for copies that use the store (``on_wait`` is called then), so that nothing
        they need is removed; copies that begin meanwhile wait for this. Images that are no longer complete lose their
        entry in the index. Raises `InvalidContent` and `StorageFailed`.
        """
        if dry_run:
            return self._result(*self._chosen(older_than, max_size))
        async with locked(self._blobs, on_wait=on_wait):
            removed, indexes, left = self._chosen(older_than, max_size)
            result = self._result(removed, indexes, left)
            await self._remove(removed)
            for file in indexes:
                self._layers.remove(file.digest)
            for directory in (*self._directories(), *self._layers.directories()):
                remove_leftovers(directory, age=_WEEK if older_than is None else older_than)
            return result

    def _chosen(
        self, older_than: float | None, max_size: int | None
    ) -> tuple[list[StoredFile], list[StoredFile], dict[Digest, StoredFile]]:
        """Return the files and the indexes of layers to remove, and the files that are left then."""
        now, files = time.time(), self._read().files
        removed: tuple[list[StoredFile], list[StoredFile]] = [], []
        every = [(file, kind) for kind, some in enumerate((files.values(), self._layers.files())) for file in some]
        total = sum(file.size for file, _ in every)
        for file, kind in sorted(every, key=lambda one: (one[0].used, str(one[0].digest))):
            is_old = older_than is not None and now - file.used > older_than
            if is_old or (max_size is not None and total > max_size):
                removed[kind].append(file)
                total -= file.size
        gone = {file.digest for file in removed[0]}
        return *removed, {digest: file for digest, file in files.items() if digest not in gone}

    def _result(
        self, removed: Sequence[StoredFile], indexes: Sequence[StoredFile], left: dict[Digest, StoredFile]
    ) -> Pruning:
        lost = [entry for entry in self._entries() if not self._reach(entry, left)[1]]
        names = tuple(entry.annotations.get(REF_NAME) or str(entry.digest) for entry in lost)
        return Pruning(tuple(removed), names, len(left), sum(file.size for file in left.values()), tuple(indexes))

    async def _remove(self, removed: Iterable[StoredFile]) -> None:
        """Remove files, and before that the entries of images that are incomplete without them."""
        gone = {file.digest for file in removed}
        left = {digest: file for digest, file in self._read().files.items() if digest not in gone}

        def change(index: LayoutIndex) -> LayoutIndex:
            lost = [n for n, entry in enumerate(index.descriptors) if not self._reach(entry, left)[1]]
            return index.without(lost) if lost else index

        if gone:
            await self._index.update(change)
        for digest in gone:
            path = self._path(digest)
            with storage_errors(f"deleting {path}"):
                path.unlink(missing_ok=True)

    def _entries(self) -> tuple[Descriptor, ...]:
        try:
            return self._index.read().descriptors
        except NotFound:
            return ()

    def _image(self, entry: Descriptor, files: dict[Digest, StoredFile]) -> StoredImage:
        reached, complete = self._reach(entry, files)
        found = [files[digest] for digest in reached if digest in files]
        return StoredImage(
            entry.annotations.get(REF_NAME, ""), entry.digest, entry.media_type,
            sum(file.size for file in found), max((file.used for file in found), default=0.0), complete,
        )  # fmt: skip

    def _reach(self, entry: Descriptor, files: dict[Digest, StoredFile]) -> tuple[set[Digest], bool]:
        """Return the digests of all that is below an entry, as far as it is known, and `StoredImage.complete`."""
        graph, complete = Reachability(), False
        with suppress(TooLarge):  # what is found of it is removed as the rest is
            graph.add_root(entry, "")
            while batch := graph.take_unread():
                for node in batch:
                    manifest = self._manifest(node.descriptor) if node.descriptor.digest in files else None
                    graph.add_manifest(node, manifest)
                    if manifest is not None and not manifest.is_index:
                        complete = complete or all(blob.digest in files or blob.urls for blob in manifest.blobs)
        return set(graph.nodes), complete

    def _manifest(self, descriptor: Descriptor) -> Manifest | None:
        """Return a manifest, None if it cannot be read; this is no use of it."""
        try:
            with os.fdopen(_open_unused(self._path(descriptor.digest)), "rb") as file:
                raw = file.read(MANIFEST_LIMIT + 1)
            return Manifest.parse(raw, content_type=descriptor.media_type, expected=descriptor.digest)
        except (OSError, InvalidContent, Unsupported):
            return None

    def _read(self) -> _Contents:
        """Return the files of the store; symbolic links, and names that are no digests, are not among them."""
        contents = _Contents()
        for directory in self._directories():
            with storage_errors(f"reading {directory}"), os.scandir(directory) as entries:
                for entry in entries:
                    self._add(contents, directory.name, entry)
        return contents

    def _add(self, contents: _Contents, algorithm: str, entry: os.DirEntry[str]) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                return
            if is_partial(entry.name):
                contents.partial += status.st_size
                return
            digest = Digest.parse(f"{algorithm}:{entry.name}")
        except (InvalidDigest, FileNotFoundError):
            return
        if digest.verifiable:
            used = max(status.st_atime, status.st_mtime)
            contents.files[digest] = StoredFile(digest, status.st_size, used, status.st_nlink)

    def _directories(self) -> list[Path]:
        """Return the directories with the files of each algorithm, no symbolic links among them."""
        with storage_errors(f"reading {self._blobs}"), os.scandir(self._blobs) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))

    def _path(self, digest: Digest) -> Path:
        return self._blobs / digest_name(digest)

    async def _is_right(self, file: StoredFile, verified: VerifiedFiles) -> bool:
        """Read a file; return whether its content has the digest, or it is gone."""
        path, descriptor = self._path(file.digest), Descriptor("", file.digest, file.size)
        try:
            fd = _open_unused(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            before = os.fstat(fd)
            reader = FileReader(fd, path, 0, file.size + 1)
            await run_in_thread(lambda: pump(reader, NullSink(), Verifier(descriptor), uncounted))
            if os.fstat(fd) == before:
                verified.add(before, file.digest)
        except (InvalidContent, StorageFailed):
            return False
        finally:
            os.close(fd)
        return True


def _open_unused(path: Path) -> int:
    """Open a regular file for reading without changing its time of access; raises `OSError`."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # the file of another user
        return os.open(path, flags)
