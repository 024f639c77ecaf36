"""Write OCI image layouts (OCI image specification, image-layout.md), in a directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Writing
from ..errors import StorageFailed
from ..fast_dataclass import replace
from ..interfaces import Accepts, Fill
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import Placement
from ..model.manifest import Manifest
from .files import digest_name, read_local_manifest, suggest_archive
from .locks import NoLocks, lock_directory
from .partial_files import kept_name, write_atomically
from .place_blob import BlobFileDestination, receive_blob

if TYPE_CHECKING:
    from .existing_blobs import ExistingBlobs
    from .shared_files import RunFiles


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
        unsigned="Pushing signatures for OCI images is not supported", no_referrers="",
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

    async def put_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> int:
        from .referrer_entries import add_referrers

        for manifest in referrers:
            await self.put_manifest(manifest)
        return await add_referrers(self._files.index(self.root), self, subject, referrers)

    async def put_tagged(self, manifest: Manifest, tag: str) -> bool:
        await self.put_manifest(manifest)
        return await self._files.index(self.root).put_tagged(manifest, tag)

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
