"""The ``dir:`` transport: an image in a directory with one file per blob (containers-transports(5)).

The files are those that skopeo writes. A new image replaces the old one as a whole.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_path
from ..errors import InvalidName, NotFound, PathNotFound
from ..fast_dataclass import replace
from ..interfaces import Accepts, Fill, ImageDestination, ImageReference, ImageSource
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import Placement, Warned
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..storage.directory_files import (
    MANIFEST_FILE,
    VERSION_FILE,
    VERSION_TEXT,
    blob_name,
    check_replaceable,
    is_blob,
    signature_name,
)
from ..storage.files import is_plain_tar, read_bounded, read_local_manifest, real_path, storage_errors
from ..storage.kept_directories import KeptDirectory, remove_others
from ..storage.oci_layout import located_blob
from ..storage.partial_files import (
    REPLACED,
    kept_name,
    lock_replaced,
    partial_name,
    remove_tree,
    write_atomically,
)
from ..storage.place_blob import BlobFileDestination, receive_blob
from ..storage.shared_files import RunFiles
from ..streams.locations import LocalFile, Location
from ..streams.progress import Progress
from ..streams.pump import Blob

if TYPE_CHECKING:
    from ..access import Access, Reuse
    from ..model.signature import Signature
    from ..storage.existing_blobs import ExistingBlobs


class DirReference(ImageReference):
    """A directory that contains one image."""

    transport = "dir"

    def __init__(self, details: str, path: Path) -> None:
        super().__init__(details)
        self.path = path

    def subject(self) -> Subject:
        return by_path("dir", real_path(self.path))

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        return _open_source(self)

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        return _open_destination(self, access)


def parse(details: str) -> DirReference:
    """Parse the path, which is everything after ``dir:``; raises `InvalidName` if it is empty."""
    if not details:
        raise InvalidName("dir: want dir:path")
    return DirReference(details, Path(details))


class DirSource(ImageSource):
    """An image in a directory; its ``version`` file is not read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        name = MANIFEST_FILE if descriptor is None else f"{blob_name(descriptor.digest)}.{MANIFEST_FILE}"
        try:
            raw = read_bounded(self._path / name, MANIFEST_LIMIT)
        except NotFound as error:
            raise PathNotFound(str(error)) from None
        if descriptor is None:
            return Manifest.parse(raw)
        return Manifest.parse(raw, content_type=descriptor.media_type, expected=descriptor.digest)

    def blob(self, descriptor: Descriptor) -> Blob:
        path = self._path / blob_name(descriptor.digest)
        # Layers from docker-archive: and docker-daemon: are plain here, but the manifest says gzip, as skopeo's does.
        if descriptor.media_type == mediatype.DOCKER_LAYER_GZIP and is_plain_tar(path):
            descriptor = replace(descriptor, media_type=mediatype.DOCKER_LAYER)
        return located_blob(descriptor, LocalFile(path))

    async def signatures(
        self, descriptor: Descriptor | None = None, *, required: bool = False
    ) -> tuple[Signature, ...]:
        """Return the signatures in files that are numbered from 1; those after a number that is missing are not read.

        Raises `StorageFailed`, `InvalidContent` and `TooLarge`.
        """
        from ..storage.signature_files import read_signatures

        digest = None if descriptor is None else descriptor.digest
        return read_signatures(self._path / signature_name(number, digest) for number in count(1))

    async def blob_size(self, descriptor: Descriptor) -> int:
        """Return the size of a blob's file in bytes; raises `StorageFailed`."""
        path = self._path / blob_name(descriptor.digest)
        with storage_errors(f"reading {path}"):
            return os.stat(path).st_size


class DirDestination(BlobFileDestination):
    """Writes to ``staging``, a directory next to the final one, which `finish` replaces by it.

    If the final directory cannot be replaced, ``staging`` is within it and its files are replaced. With ``resume`` the
    blobs that an interrupted run has left in ``staging`` are used.
    """

    accepts = Accepts(mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES, unsigned="")

    def __init__(
        self, path: Path, staging: KeptDirectory, files: RunFiles, existing: ExistingBlobs, *, resume: bool = True,
        reuse: Reuse = "copy",
    ) -> None:  # fmt: skip
        super().__init__(existing, resume=resume, reuse=reuse)
        self._path, self._directory, self._files = path, staging, files
        self._names: set[str] = set()
        self._placed: dict[Digest, os.stat_result] = {}
        self._only_sha256 = True
        self.committed = False

    def existing_path(self, digest: Digest) -> Path:
        return self._path / blob_name(digest)

    def writable_path(self, digest: Digest) -> Path:
        name = self._file_name(digest)
        self._prepare()
        return self._staging / name

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        # The directory that is replaced may hold the blob: a second name for its file costs nothing.
        placement = await super().put_blob(blob, progress)
        digest = blob.descriptor.digest
        with storage_errors(f"reading {self._path}"):
            status = os.stat(self._staging / blob_name(digest))
        if self.existing.verified.vouches(status, digest):
            self._placed[digest] = status
        return Placement.PRESENT if placement is Placement.LINKED and self.reuse == "copy" else placement

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        """Return the blob's path until `finish`, and the one from then on."""
        name = blob_name(digest)
        return LocalFile(self._staging / name, linkable=True), LocalFile(self._path / name, linkable=True)

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        self._prepare()
        return await receive_blob(
            self._staging, fill, lambda descriptor: self._staging / self._file_name(descriptor.digest), self.existing
        )

    async def put_manifest(self, manifest: Manifest) -> None:
        self._prepare()
        write_atomically(self._staging / f"{self._file_name(manifest.digest)}.{MANIFEST_FILE}", manifest.raw)

    def local_manifest(self, digest: Digest, media_type: str) -> Manifest | None:
        names = (MANIFEST_FILE, f"{blob_name(digest)}.{MANIFEST_FILE}")  # of the image itself, and of one in an index
        found = (read_local_manifest(self._path / name, digest, media_type) for name in names)
        return next((manifest for manifest in found if manifest is not None), None)

    async def put_signatures(self, signatures: Sequence[Signature], digest: Digest, *, root: bool) -> None:
        self._prepare()
        for number, signature in enumerate(signatures, 1):
            name = signature_name(number, None if root else digest)
            self._names.add(name)
            write_atomically(self._staging / name, signature.to_bytes())

    async def commit(self, root: Manifest) -> Digest:
        self._prepare()
        write_atomically(self._staging / MANIFEST_FILE, root.raw)
        version = VERSION_TEXT.format("1.1" if self._only_sha256 else "1.2")
        write_atomically(self._staging / VERSION_FILE, version.encode())
        if self._directory.adopted:  # blobs of another image, for example
            with storage_errors(f"writing {self._path}"):
                remove_others(self._staging, lambda name: name in self._names or not is_blob(name))
        self.committed = True
        return root.digest

    async def finish(self, warn: Callable[[str], None]) -> None:
        """Replace the old image by the new one; the old one remains if that fails.

        Waits for another process that is about to replace it, too; ``warn`` is called with a message then.
        """
        with storage_errors(f"writing {self._path}"):
            if self._staging.parent == self._path:
                self._replace_files()
            else:
                await self._replace_directory(warn)
        for digest, status in self._placed.items():
            self.existing.moved(status, self._path / blob_name(digest), digest)

    @property
    def _staging(self) -> Path:
        return self._directory.path

    async def _replace_directory(self, warn: Callable[[str], None]) -> None:
        old = self._staging.with_name(partial_name(self._path.name) + REPLACED)
        try:
            lock = await lock_replaced(
                self._path, lambda: warn(f"waiting for another process that replaces {self._path}")
            )
        except FileNotFoundError:
            self._staging.rename(self._path)
            return
        try:
            self._path.rename(old)
            try:
                self._staging.rename(self._path)
            except OSError:
                old.rename(self._path)
                raise
            remove_tree(old)
        finally:
            os.close(lock)

    def _replace_files(self) -> None:
        """Replace the files of the final directory, which is a complete image at any time.

        The manifest is replaced after the blobs, and files of the old image are removed last.
        """
        new = sorted(os.listdir(self._staging), key=lambda name: (name in (MANIFEST_FILE, VERSION_FILE), name))
        for name in new:
            os.replace(self._staging / name, self._path / name)
        for name in set(os.listdir(self._path)) - set(new):
            old = self._path / name
            if old.is_dir() and not old.is_symlink():
                remove_tree(old)
            else:
                old.unlink()

    def _prepare(self) -> None:
        """Create the staging directory when something is written for the first time; remove those of killed runs."""
        if not self._directory.created:
            with storage_errors(f"creating {self._path}"):
                self._files.make_directory(self._staging.parent)
                self._directory.create()
                if self._directory.adopted:
                    remove_others(self._staging, is_blob)
            restore = None if self._staging.parent == self._path else self._path
            self._files.remove_leftovers(self._staging.parent, self._path.name, restore=restore)

    def _file_name(self, digest: Digest) -> str:
        self._only_sha256 = self._only_sha256 and digest.algorithm == "sha256"
        name = blob_name(digest)
        self._names.add(name)
        return name


def _cannot_rename(path: Path) -> bool:
    """Return whether a directory cannot be renamed: a mount point, or in a directory without write access."""
    if not path.is_dir():
        return False
    effective = os.access in os.supports_effective_ids
    return os.path.ismount(path) or not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=effective)


def _staging_key(path: Path) -> str:
    return Digest.of(os.fsencode(path)).hex


def remove_leftovers(path: Path, files: RunFiles) -> None:
    """Remove what interrupted runs have left of the image in a directory, which is complete; errors are ignored."""
    path = real_path(path)
    files.remove_leftovers(path.parent, path.name, done=(kept_name(path.name, _staging_key(path)),))


@asynccontextmanager
async def _open_source(reference: DirReference) -> AsyncIterator[ImageSource]:
    yield DirSource(reference.path)


@asynccontextmanager
async def _open_destination(reference: DirReference, access: Access) -> AsyncIterator[ImageDestination]:
    # Resolve symbolic links, so that the directory is replaced and not the link to it.
    path = real_path(reference.path)
    check_replaceable(path)
    resume = access.storage.resume
    parent = path if _cannot_rename(path) else path.parent
    staging = KeptDirectory(parent, path.name, _staging_key(path), resume=resume)
    files = RunFiles.of(access)

    def warn(message: str) -> None:
        access.report(Warned(message))

    existing = files.existing_blobs(access, warn=warn)
    destination = DirDestination(path, staging, files, existing, resume=resume, reuse=access.writing.reuse)
    failed = True
    try:
        yield destination
        if destination.committed:
            await destination.finish(warn)
        failed = False
    finally:
        staging.close(failed=failed)
        if access.storage.shared_files is None:
            files.remove_empty_directories()
            files.save()
