"""``dir:path``: one file a blob, as skopeo writes them; the image replaces the old one whole."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_path
from ..errors import DestinationRefused, InvalidName, NotFound, PathNotFound, StorageFailed, TooLarge
from ..interfaces import Accepts, Blob, Fill, ImageDestination, ImageReference, ImageSource
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import Placement
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..storage.files import PARTIAL, partial_name, read_bounded, remove_tree, storage_errors, write_atomically
from ..storage.oci_layout import located_blob
from ..storage.place_blob import is_present, place, receive
from ..streams.locations import LocalFile, Location
from ..streams.pump import Progress

if TYPE_CHECKING:
    from ..access import Access

_MANIFEST, _VERSION = "manifest.json", "version"
_TEXT = "Directory Transport Version: {}\n"


class DirReference(ImageReference):
    """The path of a directory that holds one image."""

    transport = "dir"

    def __init__(self, details: str, path: Path) -> None:
        super().__init__(details)
        self.path = path

    def subject(self) -> Subject:
        return by_path("dir", self.path.resolve())

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        return _open_source(self)

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        return _open_destination(self, access)


def parse(details: str) -> DirReference:
    """Everything after ``dir:`` is the path; raises `InvalidName` when there is none."""
    if not details:
        raise InvalidName("dir: want dir:path")
    return DirReference(details, Path(details))


def _name(digest: Digest) -> str:
    return digest.hex if digest.algorithm == "sha256" else f"{digest.algorithm}-{digest.hex}"


class DirSource(ImageSource):
    """An image in a directory; the ``version`` file is not needed to read it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        name = _MANIFEST if descriptor is None else f"{_name(descriptor.digest)}.{_MANIFEST}"
        try:
            raw = read_bounded(self._path / name, MANIFEST_LIMIT)
        except NotFound as error:
            raise PathNotFound(str(error)) from None
        if descriptor is None:
            return Manifest.parse(raw)
        return Manifest.parse(raw, content_type=descriptor.media_type, expected=descriptor.digest)

    def blob(self, descriptor: Descriptor) -> Blob:
        return located_blob(descriptor, LocalFile(self._path / _name(descriptor.digest)))

    async def blob_size(self, descriptor: Descriptor) -> int:
        """How large a blob's file is."""
        path = self._path / _name(descriptor.digest)
        with storage_errors(f"reading {path}"):
            return os.stat(path).st_size


class DirDestination(ImageDestination):
    """Writes to ``staging``, a new directory beside the final one; `finish` puts it in its place.

    In it, where it cannot be replaced: then its files are.
    """

    accepts = Accepts(mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES)

    def __init__(self, path: Path, staging: Path, *, verify_existing: bool) -> None:
        self._path, self._staging = path, staging
        self._verify_existing = verify_existing
        self._only_sha256 = True
        self.committed = False

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        name = self._named(blob.descriptor.digest)
        self._prepare()
        # The copy that is there may hold this blob already: a second name for it costs nothing.
        placement = await place(
            blob, self._staging / name, progress,
            verify_existing=self._verify_existing, link_from=self._path / name,
        )  # fmt: skip
        return Placement.PRESENT if placement is Placement.LINKED else placement

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        """Return the blob's path until `finish`, and the one from then on."""
        name = _name(digest)
        return LocalFile(self._staging / name, linkable=True), LocalFile(self._path / name, linkable=True)

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        self._prepare()
        return await receive(self._staging, fill, lambda descriptor: self._staging / self._named(descriptor.digest))

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return await is_present(self._path / _name(descriptor.digest), descriptor, verify=self._verify_existing)

    async def put_manifest(self, manifest: Manifest) -> None:
        self._prepare()
        write_atomically(self._staging / f"{self._named(manifest.digest)}.{_MANIFEST}", manifest.raw)

    async def commit(self, root: Manifest) -> Digest:
        self._prepare()
        write_atomically(self._staging / _MANIFEST, root.raw)
        version = _TEXT.format("1.1" if self._only_sha256 else "1.2")
        write_atomically(self._staging / _VERSION, version.encode())
        self.committed = True
        return root.digest

    def finish(self) -> None:
        """Give the new image the old one's place; on failure the old one is there."""
        with storage_errors(f"writing {self._path}"):
            if self._staging.parent == self._path:
                self._move_in()
            else:
                self._swap()

    def _swap(self) -> None:
        self._staging.chmod(0o755)
        old = self._staging.with_name(self._staging.name + ".old")
        try:
            self._path.rename(old)
        except FileNotFoundError:
            self._staging.rename(self._path)
            return
        try:
            self._staging.rename(self._path)
        except OSError:
            old.rename(self._path)
            raise
        remove_tree(old)

    def _move_in(self) -> None:
        """One by one, the manifest after all it names, what is left of the old image last: there is
        a whole image at every moment."""
        new = sorted(os.listdir(self._staging), key=lambda name: (name in (_MANIFEST, _VERSION), name))
        for name in new:
            os.replace(self._staging / name, self._path / name)
        for name in set(os.listdir(self._path)) - set(new):
            old = self._path / name
            if old.is_dir() and not old.is_symlink():
                remove_tree(old)
            else:
                old.unlink()

    def _prepare(self) -> None:
        """Make the staging directory when something is to be put there, not before."""
        if not self._staging.is_dir():
            with storage_errors(f"creating {self._path}"):
                self._staging.parent.mkdir(parents=True, exist_ok=True)
                self._staging.mkdir(mode=0o700)

    def _named(self, digest: Digest) -> str:
        self._only_sha256 = self._only_sha256 and digest.algorithm == "sha256"
        return _name(digest)


def _real(path: Path) -> Path:
    with storage_errors(f"opening {path}"):
        return Path(os.path.realpath(path))


def _check_ours(path: Path) -> None:
    """Absent, empty, or one of these directories: anything else is not ours to replace."""
    try:
        names = [name for name in os.listdir(path) if not (name.startswith(".") and name.endswith(PARTIAL))]
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageFailed.of(error, f"opening {path}") from error
    if not names:
        return
    try:
        version = read_bounded(path / _VERSION, 1024)
    except (NotFound, StorageFailed, TooLarge):
        version = b""
    if not version.startswith(_TEXT.format("1.").rstrip("\n").encode()):
        raise DestinationRefused(
            f'"{path}" is not a containers image directory, don\'t want to overwrite important data'
        )


def _is_fixed(path: Path) -> bool:
    """A mount point cannot be renamed, nor anything in a directory that is not ours to write."""
    if not path.is_dir():
        return False
    effective = os.access in os.supports_effective_ids
    return os.path.ismount(path) or not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=effective)


@asynccontextmanager
async def _open_source(reference: DirReference) -> AsyncIterator[ImageSource]:
    yield DirSource(reference.path)


@asynccontextmanager
async def _open_destination(reference: DirReference, access: Access) -> AsyncIterator[ImageDestination]:
    # Through links, so that the directory is replaced and not the link to it.
    path = _real(reference.path)
    _check_ours(path)
    staging = (path if _is_fixed(path) else path.parent) / partial_name(path.name)
    try:
        destination = DirDestination(path, staging, verify_existing=access.writing.verify_existing)
        yield destination
        if destination.committed:
            destination.finish()
    finally:
        remove_tree(staging)
