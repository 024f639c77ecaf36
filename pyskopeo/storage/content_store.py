"""The content store: blobs and manifests that were fetched, for later copies by any process.

It is an OCI layout. A blob gets its name there when it is verified. When it is used again, its file is read again
unless its state is that of a file which was verified (`storage/verified_files.py`). Every copy that uses the store
shares a lock of its ``blobs``, as writers of a layout do, so that nothing is removed from it meanwhile. The time of
access of a file is when it was last used.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DestinationRefused, InvalidContent, NotFound, StorageFailed
from ..fast_dataclass import replace
from ..model.events import Placement, Warned
from ..model.layout import INDEX_FILE, LAYOUT_FILE
from ..streams.locations import LocalFile
from .existing_blobs import ExistingBlobs
from .files import digest_name, is_directory, is_link, is_there, note_use, read_local_manifest, storage_errors
from .index_file import IndexFile
from .locks import lock_directory
from .oci_layout import located_blob
from .partial_files import kept_name, remove_leftovers, write_atomically
from .place_blob import place_blob
from .shared_files import RunFiles
from .verified_files import is_private

if TYPE_CHECKING:
    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.layout import LayoutIndex
    from ..model.manifest import Manifest
    from ..streams.progress import Progress
    from ..streams.pump import Blob
    from .arriving_blob import ArrivingBlob

# Only their owner can write to files and directories of the store, whatever the umask says: others could change what
# was verified.
FILE_MODE, DIRECTORY_MODE = 0o644, 0o755
_LAST_WRITES = 10.0  # seconds for adding names to the index when a copy ends, or is interrupted
_OF_LAYOUTS = frozenset({"blobs", INDEX_FILE, LAYOUT_FILE})


class ContentStore:
    """The content store in the directory ``root``, as one run uses it.

    ``files`` has the record of verified files, with `VerifiedFiles.linked`. ``warn`` is called once for each thing that
    makes the store less useful, such as a full disk: what cannot be stored is fetched as if there was no store. With
    ``resume`` interrupted downloads are continued.
    """

    def __init__(self, root: Path, files: RunFiles, warn: Callable[[str], None], *, resume: bool = True) -> None:
        from anyio import Lock

        self.root, self._blobs = root, root / "blobs"
        self._files, self._warn, self._resume = files, warn, resume
        self._index = IndexFile(root, deferred=True, mode=FILE_MODE)
        self._existing = ExistingBlobs(files.verified, warn=warn)
        self._written: set[Path] = set()  # directories
        self._readable = self._writable = True
        self._users, self._lock = 0, -1
        self._opening = Lock()

    @classmethod
    def of(cls, access: Access) -> ContentStore:
        """Return the store of an access that has one; always the same one for images that are copied together.

        Raises `StorageFailed` or `DestinationRefused` if the path is something else than a store; changes nothing.
        """
        root, report = access.storage.store, access.report
        assert root is not None
        files = RunFiles.of(access)
        if not isinstance(files.store, cls):
            store = cls(root, files, lambda message: report(Warned(message)), resume=access.storage.resume)
            store.check()
            files.store = store
        return files.store

    def check(self) -> None:
        """Raise `StorageFailed` or `DestinationRefused` if the path is something else than a store; changes nothing."""
        try:
            names = set(os.listdir(self.root))
        except FileNotFoundError:
            return
        except OSError as error:
            if isinstance(error, PermissionError) or os.path.isdir(self.root):
                return  # that it cannot be read is a warning later
            raise StorageFailed.of(error, f"opening the store {self.root}") from error
        if names and not names & _OF_LAYOUTS:
            raise DestinationRefused(
                f"{self.root} is not empty and no content store: choose an empty directory, or an OCI layout"
            )

    @asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        """Keep the lock that the first access takes, until the last of several users has left the context."""
        from anyio import move_on_after

        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users or self._index.due:
                with move_on_after(_LAST_WRITES, shield=True):
                    await self._write_index()
            if not self._users:
                self._release()

    def save_record(self) -> None:
        """Write down, for later runs, which files were verified."""
        self._files.save()

    def _release(self) -> None:
        """Remove what interrupted downloads have left, if it is old enough, and release the lock."""
        for directory in (self.root, *self._written):  # the index and ``oci-layout`` are written to the root
            self._files.remove_leftovers(directory)
        self._written.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def holds(self, descriptor: Descriptor) -> bool:
        """Return whether a blob is stored; a store that is not there is not created."""
        if self._lock < 0 and not is_directory(self._blobs):
            return False
        return await self.open() and await self._status(self.path(descriptor.digest), descriptor) is not None

    async def bring(self, fetched: Blob, progress: Progress) -> tuple[Blob, Placement]:
        """Store a blob unless it is there, and return it as it is in the store, and how it came there.

        Where that is impossible, returns ``fetched`` itself. Raises what reading the blob raises.
        """
        descriptor = fetched.descriptor
        path = self.path(descriptor.digest)
        if not await self.open():
            return fetched, Placement.WRITTEN
        placement = Placement.PRESENT
        status = await self._status(path, descriptor)
        if status is None:
            if not self._writable:
                return fetched, Placement.WRITTEN
            try:
                placement = await self._place(fetched, path, progress)
                with storage_errors(f"reading {path}"):
                    status = os.lstat(path)
            except StorageFailed as error:  # of the store: what is fetched comes from elsewhere
                self._stop_writing(error)
                _remove_parts(path, descriptor.digest)
                return fetched, Placement.WRITTEN
        else:
            note_use(path)
        # Others could change a file that they may write to after it was linked: such a file is copied.
        location = LocalFile(path, linkable=is_private(status), verified=status)
        return replace(located_blob(descriptor, location), plain=fetched.plain), placement

    async def receive(self, arriving: ArrivingBlob) -> None:
        """Store a blob that others read meanwhile.

        Raises `StorageFailed`, after which nothing of it is left, and what reading the blob raises.
        """
        digest = arriving.blob.descriptor.digest
        path = self.path(digest)
        if not await self.open():
            raise StorageFailed(f"the store {self.root} cannot be used")
        try:
            self._prepare(path)
            await arriving.place(path, self._existing, FILE_MODE)
        except StorageFailed:
            _remove_parts(path, digest)
            raise

    async def index(self) -> LayoutIndex | None:
        """Return the names of the images in the store; None without any."""
        try:
            return self._index.read() if await self.open() else None
        except (NotFound, StorageFailed, InvalidContent):
            return None

    async def manifest(self, digest: Digest, media_type: str = "") -> Manifest | None:
        """Return a manifest, None if it is not stored; ``media_type`` is that of its descriptor, if there is one."""
        path = self.path(digest)
        if not await self.open() or is_link(path):
            return None
        found = read_local_manifest(path, digest, media_type)
        if found is not None:
            note_use(path)
        return found

    async def add_manifest(self, manifest: Manifest) -> None:
        """Store a manifest; not one of schema 1, whose digest may not be that of its file."""
        path = self.path(manifest.digest)
        if manifest.is_schema1 or not await self.open() or not self._writable:
            return
        status = await self._status(path, manifest.descriptor)
        if status is not None:
            note_use(path)
            return
        try:
            self._make_directory(path.parent)
            write_atomically(path, manifest.raw, FILE_MODE)
        except StorageFailed as error:
            self._stop_writing(error)

    async def find(self, name: str) -> Descriptor | None:
        """Return the root manifest's descriptor of the image that was stored under ``name`` last."""
        index = await self.index()
        if index is None:
            return None
        positions = index.positions(name)
        return index.descriptors[positions[-1]] if positions else None

    async def name(self, name: str, root: Manifest) -> None:
        """Add an image that is complete in the store to its index."""
        if self._writable:
            await self._index.put(root, name)

    async def discard(self, descriptor: Descriptor) -> bool:
        """Remove a blob if its content is wrong, whatever its state says; return whether it was removed."""
        path = self.path(descriptor.digest)
        if await ExistingBlobs(always=True).holds(path, descriptor):
            return False
        try:
            os.unlink(path)
        except OSError:
            return False
        return True

    def path(self, digest: Digest) -> Path:
        """Return the path of a blob or a manifest."""
        return self._blobs / digest_name(digest)

    async def open(self) -> bool:
        """Create the store if it is not there, and lock it; return whether it can be used."""
        if self._lock >= 0 or not self._readable:
            return self._readable
        async with self._opening:
            if self._lock < 0 and self._readable:
                await self._create()
                await self._share()
        return self._readable

    async def _create(self) -> None:
        try:
            self._make_directory(self._blobs / "sha256")
            if not is_there(self.root / INDEX_FILE):
                await self._index.update(_written)
        except StorageFailed as error:
            self._stop_writing(error)

    async def _share(self) -> None:
        if not is_directory(self._blobs):
            self._readable = False
            return
        try:
            wait = partial(self._warn, f"waiting for the store {self.root}, which is being pruned or verified")
            self._lock = await lock_directory(self._blobs, shared=True, on_wait=wait)
        except StorageFailed as error:
            self._readable = False
            self._warn(f"{error}: the store is not used")

    async def _place(self, fetched: Blob, path: Path, progress: Progress) -> Placement:
        self._prepare(path)
        return await place_blob(fetched, path, progress, self._existing, resume=self._resume, mode=FILE_MODE)

    def _prepare(self, path: Path) -> None:
        """Create the directory of a blob that is to be written; raises `StorageFailed`."""
        self._make_directory(path.parent)
        if is_link(path):  # what it leads to does not belong to the store
            with storage_errors(f"replacing {path}"):
                path.unlink(missing_ok=True)
        self._written.add(path.parent)

    async def _status(self, path: Path, descriptor: Descriptor) -> os.stat_result | None:
        """Return the status of a file of the store, verified by its state or by its content; None without one."""
        try:
            status = os.lstat(path)
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size != descriptor.size:
            return None
        return status if await self._existing.holds(path, descriptor) else None

    def _make_directory(self, path: Path) -> None:
        """Create a directory in the store, and the store; raises `StorageFailed`."""
        with storage_errors(f"creating {path}"):
            self.root.parent.mkdir(parents=True, exist_ok=True)
            for directory in (self.root, self._blobs, path):
                directory.mkdir(DIRECTORY_MODE, exist_ok=True)

    def _stop_writing(self, error: StorageFailed) -> None:
        """Add nothing to the store from now on; the first error is a warning."""
        if self._writable:
            self._writable = False
            self._warn(f"{error}: nothing more is added to the store {self.root}")

    async def _write_index(self) -> None:
        try:
            await self._index.flush()
        except (StorageFailed, InvalidContent) as error:
            self._warn(f"{error}: the store {self.root} does not name the image")


def _written(index: LayoutIndex) -> LayoutIndex:
    """Return an index as an object that is written, also for a layout without one."""
    return index if index.raw else index.without(())


def _remove_parts(path: Path, digest: Digest) -> None:
    """Remove what has arrived of a blob that cannot be stored: it is fetched again, and others may need the space."""
    remove_leftovers(path.parent, path.name, age=math.inf, done={kept_name(path.name, digest.hex)})
