"""Read and write OCI image layouts (OCI image specification, image-layout.md), in a directory or in an archive."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..access import Writing
from ..errors import NotFound, PathNotFound, StorageFailed
from ..interfaces import Accepts, Fill, ImageSource
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import Placement
from ..model.layout import INDEX_FILE, INDEX_LIMIT, LAYOUT_FILE, SOURCE_PREFIX, LayoutIndex, check_layout_file
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.byte_streams import BlobReader
from ..streams.locations import LocalFile, RegistryBlob
from ..streams.pump import Blob
from .files import digest_name, open_reader, read_bounded, read_local_manifest, read_range, suggest_archive
from .locks import NoLocks, lock_directory
from .partial_files import kept_name, write_atomically
from .place_blob import BlobFileDestination, receive_blob

if TYPE_CHECKING:
    from ..model.reference import Reference
    from .existing_blobs import ExistingBlobs
    from .index_file import IndexFile
    from .shared_files import RunFiles
    from .tar import TarIndex

_LAYOUT_FILE_LIMIT = 1024 * 1024
OpenExternal: TypeAlias = Callable[[Descriptor, int], AbstractAsyncContextManager[BlobReader]]


class LayoutFiles(Protocol):
    """Access to the files of a layout by their names, such as ``blobs/sha256/...``."""

    def content(self, name: str, limit: int) -> bytes:
        """Return the bytes of a file; raises `NotFound`, `StorageFailed`, and `TooLarge` over ``limit`` bytes."""
        ...

    def locate(self, name: str) -> LocalFile:
        """Return where the bytes of a blob are; raises `NotFound`."""
        ...


class DirectoryFiles:
    """The files of a layout directory.

    ``shared`` is the directory that has the blobs if several layouts share them (skopeo's ``--shared-blob-dir``).
    """

    def __init__(self, root: Path, shared: Path | None = None) -> None:
        self.root = root
        self._blobs = shared if shared is not None else root / "blobs"

    def content(self, name: str, limit: int) -> bytes:
        return read_bounded(self._path(name), limit)

    def locate(self, name: str) -> LocalFile:
        return LocalFile(self._path(name))

    def path_of(self, digest: Digest) -> Path:
        """Return the path of a blob."""
        return self._blobs / digest_name(digest)

    def _path(self, name: str) -> Path:
        directory, slash, rest = name.partition("/")
        return self._blobs / rest if slash and directory == "blobs" else self.root / name


class LayoutSource(ImageSource):
    """One image or index of a layout.

    ``name`` is its ``org.opencontainers.image.ref.name`` annotation in ``index.json``; "" selects the only image of a
    layout. ``where`` names the layout in errors. ``index`` is its index, which several images of a layout may share;
    None: it is read from ``files``. ``open_external`` opens a blob that is not in the layout from the URLs in its
    descriptor, at a byte offset; without it, such a blob is an error. ``through`` makes such a blob go through the
    content store; None without one.
    """

    def __init__(
        self, files: LayoutFiles | TarIndex, name: str, where: str, *,
        index: IndexFile | None = None, open_external: OpenExternal | None = None,
        through: Callable[[Blob], Blob] | None = None,
    ) -> None:  # fmt: skip
        self._files, self._name, self._where, self._index = files, name, where, index
        self._open_external, self._through = open_external, through
        self._recorded: tuple[Reference, ...] = ()

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        is_root = descriptor is None
        if descriptor is None:
            found = self._root()
            if isinstance(found, Manifest):
                return found
            descriptor = found
        raw = self._files.content(f"blobs/{digest_name(descriptor.digest)}", MANIFEST_LIMIT)
        manifest = Manifest.parse(raw, content_type=descriptor.media_type, expected=descriptor.digest)
        is_described = is_root and descriptor.platform is not None and not manifest.is_index
        return replace(manifest, platform=descriptor.platform) if is_described else manifest

    def blob(self, descriptor: Descriptor) -> Blob:
        name = f"blobs/{digest_name(descriptor.digest)}"
        if descriptor.urls and self._open_external is not None and not self._holds(name):
            external = Blob(descriptor, partial(self._open_external, descriptor))
            return external if self._through is None else self._through(external)
        if self._recorded and not self._holds(name):
            hint = ": layout complete fetches it" if isinstance(self._files, DirectoryFiles) else ""
            where = f"blob {descriptor.digest} was left out of this layout, and the destination does not have it"
            return self._left_out(descriptor, f"{self._where}: {where}{hint}")
        try:
            return located_blob(descriptor, self._files.locate(name))
        except NotFound as error:  # in an archive; a destination that has the blob does not open it
            return self._left_out(descriptor, str(error))

    def _left_out(self, descriptor: Descriptor, message: str) -> Blob:
        """Return a blob that is not in the layout, with the repositories that are recorded to have it, to mount it."""

        def opened(_: int) -> AbstractAsyncContextManager[BlobReader]:
            raise NotFound(message)

        return Blob(descriptor, opened, tuple(RegistryBlob(one.api_host, one.repository) for one in self._recorded))

    def _holds(self, name: str) -> bool:
        try:
            return self._files.locate(name).path.exists()
        except NotFound:
            return False

    def _root(self) -> Descriptor | Manifest:
        try:
            check_layout_file(self._files.content(LAYOUT_FILE, _LAYOUT_FILE_LIMIT), f"{self._where}: {LAYOUT_FILE}")
        except NotFound:
            pass  # some build tools do not write it, and skopeo does not read it
        try:
            index = self._read_index()
        except NotFound as error:
            # `NotFound` means exit code 2, for an image that is not in the layout; here there is no layout at all.
            raise PathNotFound(str(error)) from None
        found = index.find(self._name, self._where)
        if isinstance(found, Descriptor) and any(name.startswith(SOURCE_PREFIX) for name in found.annotations):
            from ..model.recorded_sources import recorded_sources

            self._recorded = recorded_sources(found.annotations)
        return found

    def _read_index(self) -> LayoutIndex:
        if self._index is not None:
            return self._index.read()
        return LayoutIndex.parse(self._files.content(INDEX_FILE, INDEX_LIMIT), f"{self._where}: {INDEX_FILE}")


def located_blob(descriptor: Descriptor, location: LocalFile) -> Blob:
    """Return a blob whose bytes are in a local file."""

    async def ending(count: int) -> bytes:
        return read_range(location.path, location.offset + max(0, descriptor.size - count), count)

    return Blob(descriptor, lambda offset: open_reader(location, descriptor.size, offset), (location,), ending)


def check_path(root: Path) -> None:
    """Raise `StorageFailed` if the path of a layout exists and is not a directory."""
    if root.exists() and not root.is_dir():
        raise StorageFailed(
            f"{root} is there and is not a directory: remove it, or choose another path{suggest_archive(root)}"
        )


class LayoutWriter(BlobFileDestination):
    """Writes an image into a layout directory, which other writers, in this or other processes, may use concurrently.

    ``name`` is the reference name of the image in ``index.json``, ``shared`` the directory for blobs if several layouts
    share it. ``files`` is what images that are copied together share. ``writing`` is how local files are reused,
    whether entries state their platforms and where an image without its layers is from, and whether each image of a
    list is named. ``warn`` is called with a message if it has to wait for those who delete blobs, or cannot keep them
    out. ``digests`` are those of the blobs and manifests that were put.
    """

    accepts = Accepts(
        frozenset({mediatype.OCI_MANIFEST, mediatype.OCI_INDEX}), foreign=True, compresses=True, sparse=True,
        on_request=frozenset({mediatype.DOCKER_MANIFEST, mediatype.DOCKER_LIST}),
        unsigned="Pushing signatures for OCI images is not supported",
    )  # fmt: skip

    def __init__(
        self, root: Path, name: str, files: RunFiles, existing: ExistingBlobs | None = None, *,
        shared: Path | None = None, resume: bool = True, writing: Writing | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self._writing = Writing() if writing is None else writing
        super().__init__(existing, resume=resume, reuse=self._writing.reuse)
        self.root, self._warn = root, warn
        self._name, self._files = name, files
        self._children: dict[Digest, Manifest] = {}  # only where they are to be named
        self._blobs = shared if shared is not None else root / "blobs"
        self._written: set[Path] = set()
        self.digests: list[Digest] = []
        self._lock: int | None = None

    def move_to(self, root: Path) -> None:
        """Write to the layout in ``root``; before anything is written."""
        self.root, self._blobs = root, root / "blobs"

    def check(self) -> None:
        """Raise `StorageFailed` if the path exists and is not a directory; changes nothing."""
        check_path(self.root)

    async def begin(self, root: Manifest) -> None:
        # Shared with other writers, so that no blob found or written is deleted until the index has the image.
        self._files.make_directory(self._blobs)
        try:
            self._lock = await lock_directory(self._blobs, shared=True, on_wait=self._report_waiting)
        except NoLocks as error:
            if self._warn is not None and self._blobs not in self._files.without_locks:
                self._files.without_locks.add(self._blobs)
                self._warn(f"{error}: nobody may write to {self.root}, or remove blobs from it, at the same time")

    def _report_waiting(self) -> None:
        if self._warn is not None:
            self._warn(f"waiting for {self._blobs}, which is locked by a program that removes blobs from it")

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        directory = self._blobs / "sha256"
        self._files.make_directory(directory)
        self._written.add(directory)
        return await receive_blob(
            directory, fill, lambda descriptor: self.writable_path(descriptor.digest), self.existing
        )

    async def put_manifest(self, manifest: Manifest) -> None:
        path = self.writable_path(manifest.digest)
        if self._writing.tag_platforms:
            self._children[manifest.digest] = manifest
        if not await self.existing.holds(path, manifest.descriptor):
            write_atomically(path, manifest.raw)

    def local_manifest(self, digest: Digest, media_type: str) -> Manifest | None:
        return read_local_manifest(self.existing_path(digest), digest, media_type)

    async def commit(self, root: Manifest) -> Digest:
        await self.put_manifest(root)
        self._files.make_directory(self.root / "blobs", required=True)  # image-layout.md; even where blobs are shared
        await self._name_image(root)
        for directory in (self.root, *self._written):
            done = (kept_name(digest.hex, digest.hex) for digest in self.digests)
            self._files.remove_leftovers(directory, done=done)
        return root.digest

    async def _name_image(self, root: Manifest) -> None:
        index, notes = self._files.index(self.root), dict[str, str]()
        if self._writing.recorded_source:
            from ..model.recorded_sources import source_annotation

            notes = source_annotation(self._writing.recorded_source)
        if not self._writing.platforms:
            await index.put(root if root.platform is None else replace(root, platform=None), self._name, notes)
            return
        from .platform_entries import tagged_platforms, with_platform

        others = None
        if self._writing.tag_platforms and root.is_index:
            style = self._writing.tag_platforms
            others = tagged_platforms(root, self._name, style, self._children, self.existing_path)
        await index.put(with_platform(root, self.existing_path), self._name, notes, others=others)

    def close(self) -> None:
        """Release the lock that `begin` has taken."""
        if self._lock is not None:
            self._files.release(self._blobs, self._lock)
            self._lock = None

    def existing_path(self, digest: Digest) -> Path:
        return self._blobs / digest_name(digest)

    def writable_path(self, digest: Digest) -> Path:
        path = self._blobs / digest_name(digest)
        self._files.make_directory(path.parent)
        self._written.add(path.parent)
        self.digests.append(digest)
        return path
