"""Read and write OCI image layouts (OCI image specification, image-layout.md), in a directory or in an archive."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..errors import NotFound, PathNotFound
from ..fast_dataclass import replace
from ..interfaces import ImageSource
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.layout import INDEX_FILE, INDEX_LIMIT, LAYOUT_FILE, SOURCE_PREFIX, LayoutIndex, check_layout_file
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.byte_streams import BlobReader
from ..streams.locations import LocalFile, RegistryBlob
from ..streams.pump import Blob
from .files import digest_name, open_reader, read_bounded, read_range

if TYPE_CHECKING:
    from ..model.reference import Reference
    from ..model.referrer import Referrer
    from .layout_content import LayoutFiles
    from .layout_referrers import LayoutReferrers, ReferrerCache
    from .tar import TarIndex

_LAYOUT_FILE_LIMIT = 1024 * 1024
OpenExternal: TypeAlias = Callable[[Descriptor, int], AbstractAsyncContextManager[BlobReader]]


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


class ReadIndex(Protocol):
    """The index of a layout, which several images of it share, and what refers to images in it, once that was read."""

    referrers: ReferrerCache | None

    def read(self) -> LayoutIndex:
        """Return the index; raises `NotFound`, `InvalidContent`, `TooLarge` and `StorageFailed`."""
        ...


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
        index: ReadIndex | None = None, open_external: OpenExternal | None = None,
        through: Callable[[Blob], Blob] | None = None,
    ) -> None:  # fmt: skip
        self._files, self._name, self._where, self._index = files, name, where, index
        self._open_external, self._through = open_external, through
        self._recorded: tuple[Reference, ...] = ()
        self._parsed: LayoutIndex | None = None
        self._referrers: ReferrerCache | None = None

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

    async def referrers(self, digest: Digest, artifact_type: str = "") -> tuple[Referrer, ...]:
        return (await self._layout_referrers()).referring(digest)

    async def cosign_tags(self, digest: Digest) -> tuple[Referrer, ...]:
        return (await self._layout_referrers()).tagged(digest)

    async def _layout_referrers(self) -> LayoutReferrers:
        from .layout_referrers import ReferrerCache

        index = self._read_index()
        if self._index is not None:  # several images of it may be read
            self._index.referrers = self._index.referrers or ReferrerCache()
            return await self._index.referrers.read(self._files, index)
        self._referrers = self._referrers or ReferrerCache()
        return await self._referrers.read(self._files, index)

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
        if self._parsed is None:
            raw = self._files.content(INDEX_FILE, INDEX_LIMIT)
            self._parsed = LayoutIndex.parse(raw, f"{self._where}: {INDEX_FILE}")
        return self._parsed


def located_blob(descriptor: Descriptor, location: LocalFile) -> Blob:
    """Return a blob whose bytes are in a local file."""

    async def ending(count: int) -> bytes:
        return read_range(location.path, location.offset + max(0, descriptor.size - count), count)

    return Blob(descriptor, lambda offset: open_reader(location, descriptor.size, offset), (location,), ending)
