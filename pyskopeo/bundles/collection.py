"""Bring the images of a bundle to one OCI layout, a temporary one beside the output, without what a base has."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING

from ..engine.destination_wrapper import DestinationWrapper
from ..engine.plan import Form
from ..engine.run import CopyOptions
from ..errors import InvalidContent, NotFound, StorageFailed
from ..fast_dataclass import dataclass, replace
from ..interfaces import ImageReference
from ..model import mediatype
from ..model.bundle import BundleContents, BundledBlob, named_entry
from ..model.events import Placement
from ..model.layout import INDEX_FILE, LAYOUT_FILE, REF_NAME
from ..storage.files import digest_name, file_size, storage_errors
from ..storage.oci_layout import located_blob
from ..streams.progress import note_kept
from ..syncing.shared_blobs import SharedBlobs
from ..transports.oci import OciReference
from .copies import Copies, ImageCopy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..access import Access
    from ..interfaces import ImageDestination
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.referrer import WantedReferrers
    from ..storage.kept_directories import KeptDirectory
    from ..storage.shared_files import RunFiles
    from ..streams.progress import Progress
    from ..streams.pump import Blob
    from ..syncing.sync_request import SyncSink
    from .earlier_archives import EarlierArchives
    from .wanted import WantedImage

_LAYOUT = "layout"
# Digests stay as they are, so that signatures of the images, which the other side verifies, stay valid.
_UNCHANGED = Form(preserve_digests=True, remove_signatures=True)


@dataclass(frozen=True, slots=True)
class Base:
    """An earlier bundle, by its ``digest``, and the blobs that need not be in a later one."""

    digest: Digest
    known: Mapping[Digest, BundledBlob]


class _BundledReference(ImageReference):
    """An image as it gets into the temporary layout ``root``; messages name the bundle instead."""

    transport = "bundle"

    def __init__(self, output: Path, root: Path, name: str) -> None:
        super().__init__(f"{output}:{name}")
        self._root, self._name = root, name

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        return OciReference(f"{self._root}:{self._name}", self._root, self._name).open_destination(access)


class _Collected:
    """What one image consists of: ``blobs`` are in the layout, manifests included, ``left_out`` in a base."""

    def __init__(self) -> None:
        self.blobs: set[Digest] = set()
        self.left_out: set[Digest] = set()


class _CollectingDestination(DestinationWrapper):
    """Notes what an image consists of, leaves out what a base has, and takes what earlier archives have."""

    def __init__(
        self, destination: ImageDestination, collected: _Collected, bases: Sequence[Base], earlier: EarlierArchives
    ) -> None:
        super().__init__(destination)
        self._collected, self._bases, self._earlier = collected, bases, earlier

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        descriptor = blob.descriptor
        # Configurations are small, and say which platform an image is for.
        is_config = descriptor.media_type in mediatype.IMAGE_CONFIGS
        if not is_config and any(descriptor.digest in base.known for base in self._bases):
            self._collected.left_out.add(descriptor.digest)
            return Placement.PRESENT
        self._collected.blobs.add(descriptor.digest)
        location = self._earlier.locate(descriptor)
        if location is not None and not await self.has_blob(descriptor):
            there = replace(located_blob(descriptor, location), plain=blob.plain)
            with suppress(InvalidContent, NotFound):  # it is fetched then
                placement = await super().put_blob(there, progress)
                note_kept(progress, descriptor.size)
                return placement
        return await super().put_blob(blob, progress)

    async def put_manifest(self, manifest: Manifest) -> None:
        self._collected.blobs.add(manifest.digest)
        await super().put_manifest(manifest)

    async def put_root(self, root: Manifest) -> None:
        self._collected.blobs.add(root.digest)
        await super().put_root(root)

    async def put_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> int:
        self._collected.blobs.update(manifest.digest for manifest in referrers)
        return await super().put_referrers(subject, referrers)

    async def put_tagged(self, manifest: Manifest, tag: str) -> bool:
        self._collected.blobs.add(manifest.digest)
        return await super().put_tagged(manifest, tag)

    async def commit(self, root: Manifest) -> Digest:
        self._collected.blobs.add(root.digest)
        return await super().commit(root)


class Collection:
    """The temporary layout of the bundle for ``output``, in ``directory``, which a later run may take over."""

    def __init__(self, directory: KeptDirectory, output: Path, files: RunFiles) -> None:
        self._directory, self._output, self._files = directory, output, files

    @property
    def root(self) -> Path:
        """The layout."""
        return self._directory.path / _LAYOUT

    def create(self) -> None:
        """Create the directory, or take over what an interrupted run has left; raises `StorageFailed`."""
        with storage_errors(f"creating {self._directory.path}"):
            self._directory.create()
            for name in (INDEX_FILE, LAYOUT_FILE):
                (self.root / name).unlink(missing_ok=True)

    async def fetch(
        self, images: Sequence[WantedImage], bases: Sequence[Base], earlier: EarlierArchives, *,
        referrers: WantedReferrers | None, writing: Access, report: SyncSink, jobs: int,
    ) -> BundleContents:  # fmt: skip
        """Bring all images to the layout, at most ``jobs`` at once; returns the contents of the bundle.

        ``writing`` is the access for files. Raises what copying raises: the first error cancels the rest.
        """
        found = {image.name: _Collected() for image in images}

        def copy_of(image: WantedImage) -> ImageCopy:
            def wrap(opened: ImageDestination) -> ImageDestination:
                return _CollectingDestination(opened, found[image.name], bases, earlier)

            return ImageCopy(
                image.source, _BundledReference(self._output, self.root, image.name),
                CopyOptions(image.selection, _UNCHANGED, referrers=referrers), image.access, wrap,
            )  # fmt: skip

        copies = Copies(writing, SharedBlobs(), report, jobs)
        listed = [copy_of(image) for image in images]
        copies.announce(listed)
        await copies.run(listed)
        await self._files.flush()
        return self._contents(found, bases)

    def _contents(self, found: Mapping[str, _Collected], bases: Sequence[Base]) -> BundleContents:
        """Return what was collected, sorted, so that it does not depend on which image was first."""
        index = self._files.index(self.root).read()
        entries = {entry.annotations.get(REF_NAME, ""): entry for entry in index.descriptors}
        named = {name: named_entry(entries[name], name) for name in found}
        others = {name: _plain_entry(entry, name) for name, entry in entries.items() if name not in found}
        blobs: dict[Digest, BundledBlob] = {}
        left_out: dict[Digest, BundledBlob] = {}
        used: set[Digest] = set()
        for name in sorted(found):
            for digest in sorted(found[name].blobs - blobs.keys()):
                blobs[digest] = BundledBlob(self._size(digest), name)
            for digest in sorted(found[name].left_out - left_out.keys()):
                base = next(base for base in bases if digest in base.known)
                used.add(base.digest)
                left_out[digest] = base.known[digest]
        for name, entry in sorted(others.items()):
            blobs.setdefault(entry.digest, BundledBlob(entry.size, name))
        images, referrers = (tuple(one[name] for name in sorted(one)) for one in (named, others))
        # A configuration that a base has, too, may be named as a layer by another image.
        left_out = {digest: blob for digest, blob in left_out.items() if digest not in blobs}
        contents = BundleContents(images, blobs, left_out, tuple(sorted(used)) if left_out else (), referrers)
        contents.check()
        return contents

    def _size(self, digest: Digest) -> int:
        size = file_size(self.root / "blobs" / digest_name(digest))
        if size < 0:
            raise StorageFailed(f"{self.root}: {digest} has disappeared")
        return size

    def close(self, *, failed: bool) -> None:
        """Remove the layout, or leave it for a later run after a failure."""
        self._directory.close(failed=failed)


def _plain_entry(entry: Descriptor, name: str) -> Descriptor:
    """Return an entry of what refers to an image: its name is for those who know the image, not for containerd."""
    return replace(entry, annotations={REF_NAME: name})
