"""Fetch what lock files name: into an OCI layout, into the content store, or into both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.plan import Form
from ..engine.run import CopyOptions, copy
from ..engine.selection import Selection
from ..errors import InvalidInput, PyskopeoError
from ..fast_dataclass import dataclass, replace
from ..interfaces import ImageDestination, ImageReference
from ..model.events import BlobFinished, CopyFinished, Placement
from ..model.events import ignore as ignore_events
from ..model.missing_content import MissingContent
from ..model.platform import Platform
from ..storage.shared_files import RunFiles
from ..storage.store_destination import StoreReference
from ..streams.concurrency import work_off
from ..transports.oci import OciReference
from .locked_source import LockedReference
from .registry_queries import registry_events, shared_connections
from .shared_blobs import SharedBlobs
from .sync_request import (
    IMAGES_AT_ONCE,
    ImageEvent,
    ImageFinished,
    ImageGroup,
    ImageResult,
    ImagesListed,
    ImageStarted,
    ImageWaiting,
    Listing,
    SyncImage,
    ignore,
)

if TYPE_CHECKING:

    from ..engine.run import CopyResult
    from ..model.descriptor import Descriptor
    from ..model.events import Event, Report
    from ..model.lock_file import LockFile
    from ..model.locked_image import LockedImage
    from ..model.referrer import WantedReferrers
    from .sync_request import Status, SyncSink

_LAST_WRITES = 10.0  # seconds for naming the images that are complete, when a run is interrupted
_UNCHANGED = Form(preserve_digests=True, remove_signatures=True)  # layouts and the store hold none
_DOES_NOTHING = (
    "no place to put the images of the lock: give a layout (--dest oci:DIR), a content store (--store DIR), or both"
)


@dataclass(frozen=True, slots=True)
class PrefetchRequest:
    """What to fetch of a lock file, and where to put it.

    ``layout`` is the directory of an OCI layout, whose images get their names from the lock, or the only one gets
    ``name``, if that is given; None: everything goes to the content store of the access only. ``names`` are the images
    to fetch, () for all. ``platforms``: () is everything that is locked; one platform is the image for it, in the place
    of the index; several are the images for them, with the index. ``jobs`` is the maximum number of images at once.
    ``referrers`` is what to fetch, or what is required, of what refers to the images according to the lock.
    """

    lock: LockFile
    layout: Path | None = None
    name: str = ""
    names: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    jobs: int = IMAGES_AT_ONCE
    referrers: WantedReferrers | None = None

    @property
    def images(self) -> tuple[LockedImage, ...]:
        """The images to fetch, sorted by name; raises `InvalidName` for one that is not locked."""
        return tuple(self.lock.image(name) for name in sorted(set(self.names) or self.lock.images))

    def check(self, access: Access) -> None:
        """Raise `InvalidInput` for an impossible request."""
        if self.layout is None and access.storage.store is None:
            raise InvalidInput(_DOES_NOTHING)
        if self.name and len(self.images) != 1:
            raise InvalidInput(f"{len(self.images)} images cannot all be named {self.name}: leave the name out")
        if self.jobs < 1:
            raise InvalidInput(f"{self.jobs} images at once are too few: want at least 1")


@dataclass(frozen=True, slots=True)
class Prefetched:
    """One image of a lock that was fetched: its entry, and the result of its copy."""

    image: LockedImage
    result: CopyResult


@dataclass(frozen=True, slots=True)
class PrefetchPlan:
    """What a prefetch would do: ``missing`` are the blobs to fetch, each once, ``total`` is the size of all blobs."""

    images: tuple[LockedImage, ...]
    missing: tuple[MissingContent, ...]
    blobs: int
    total: int

    @property
    def missing_bytes(self) -> int:
        """The size of the blobs to fetch."""
        return sum(one.descriptor.size for one in self.missing)


async def plan_prefetch(request: PrefetchRequest, *, access: Access | None = None) -> PrefetchPlan:
    """Return what `prefetch` would fetch; sends no request and writes nothing.

    Raises `InvalidInput` for an impossible request, `InvalidContent` for what is asked for and is not in the lock, and
    `NoMatchingPlatform`.
    """
    access = access or Access.from_environ()
    request.check(access)
    # Nothing is requested for a dry run; but without --offline it does not stop at the first image.
    access = replace(access, network=replace(access.network, offline=False))
    files = RunFiles(access.storage.cache, linked=access.storage.store is not None)
    blobs: dict[object, Descriptor] = {}
    missing: list[MissingContent] = []
    run = _Run(request, replace(access, storage=replace(access.storage, shared_files=files)), ignore)
    for image in request.images:
        result = await run.copy(image, dry_run=True)
        for blob in (*result.plan.all_blobs, *(blob for one in result.referrers for blob in one.blobs)):
            blobs[blob.digest] = blob
            if result.placements[blob.digest] is Placement.WRITTEN:
                missing.append(MissingContent(blob, image.sources))
    files.save()
    return PrefetchPlan(request.images, _joined(missing), len(blobs), sum(blob.size for blob in blobs.values()))


async def prefetch(
    request: PrefetchRequest, *, access: Access | None = None, report: SyncSink = ignore
) -> tuple[Prefetched, ...]:
    """Fetch what is missing of the images of a lock, several concurrently; return what was copied, sorted by name.

    Manifests are those of the lock and are never requested. Blobs are read from the sources of their image, in order,
    and verified; what an interrupted run has fetched is not fetched again. ``access`` None is the user's own
    configuration, ``report`` gets the events of a sync.

    Raises what `plan_prefetch` raises, `Offline` if something of an image is missing and no request is allowed, and the
    errors of the registries and of the destination: the first one cancels the rest.
    """
    access = access or Access.from_environ()
    request.check(access)

    async with shared_connections(registry_events(report)) as share:
        storage = access.storage
        files = RunFiles.of_many(access)
        access = await share(replace(access, storage=replace(storage, shared_files=files)))
        return await _Run(request, access, report).copy_all(files)


class _Run:
    """Copies the images of a request; ``access`` is that of both ends, with what they share."""

    def __init__(self, request: PrefetchRequest, access: Access, report: SyncSink) -> None:
        self._request, self._access, self._report = request, access, report
        self._images = request.images
        self._shared = SharedBlobs()
        self._done: list[Prefetched] = []

    async def copy_all(self, files: RunFiles) -> tuple[Prefetched, ...]:
        """Copy all images; those that are complete get their names even if another one fails."""
        from anyio import move_on_after

        listed = tuple(self._described(image) for image in self._images)
        self._report(ImagesListed(Listing((ImageGroup(listed, self._access),))))
        positions = list(enumerate(self._images, 1))
        try:
            await work_off(positions, self._copy_one, at_once=self._request.jobs)
        finally:
            with move_on_after(_LAST_WRITES, shield=True):
                await files.flush()
            files.remove_empty_directories()
            files.save()
        return tuple(sorted(self._done, key=lambda done: done.image.name))

    async def _copy_one(self, one: tuple[int, LockedImage]) -> None:
        position, image = one
        described = self._described(image)
        self._report(ImageStarted(described, position, len(self._images)))
        started, moved = time.monotonic(), False

        def forward(event: Event) -> None:
            nonlocal moved
            moved = moved or (isinstance(event, BlobFinished) and event.placement is not Placement.PRESENT)
            if not isinstance(event, CopyFinished):  # ImageFinished says it
                self._report(ImageEvent(described, event))

        try:
            result = await self.copy(image, report=forward)
        except PyskopeoError as error:
            self._report(ImageFinished(ImageResult(described, "failed", image.digest, error=str(error))))
            raise
        seconds = round(time.monotonic() - started, 3)
        status: Status = "copied" if moved else "present"
        self._report(ImageFinished(ImageResult(described, status, result.digest, result.moved, seconds)))
        self._done.append(Prefetched(image, result))

    async def copy(
        self, image: LockedImage, *, dry_run: bool = False, report: Report = ignore_events
    ) -> CopyResult:
        """Copy one image, or plan to."""
        described = self._described(image)

        def wrap(opened: ImageDestination) -> ImageDestination:
            return self._shared.wrap(opened, lambda blobs: self._report(ImageWaiting(described, blobs)))

        return await copy(
            LockedReference(self._request.lock, image, record=not dry_run),
            self._destination(image),
            CopyOptions(
                self._selection(image), _UNCHANGED, dry_run=dry_run, wrap=None if dry_run else wrap,
                referrers=self._request.referrers,
            ),
            source_access=self._access,
            destination_access=self._access,
            report=report,
        )

    def _described(self, image: LockedImage) -> SyncImage:
        return SyncImage(f"docker://{image.reference}", self._destination(image).image_name, image.digest)

    def _destination(self, image: LockedImage) -> ImageReference:
        layout, name = self._request.layout, self._request.name or image.name
        if layout is None:
            return StoreReference(f"{self._access.storage.store}:{name}")
        return OciReference(f"{layout}:{name}", layout, name)

    def _selection(self, image: LockedImage) -> Selection:
        platforms = self._request.platforms
        if len(platforms) == 1:
            return Selection(platforms[0])
        chosen = platforms or image.platforms
        return Selection(Platform.host(), "platforms" if chosen else "all", chosen)


def _joined(missing: Sequence[MissingContent]) -> tuple[MissingContent, ...]:
    """Return each blob once, sorted by digest, with all its sources in order."""
    found: dict[str, MissingContent] = {}
    for one in missing:
        known = found.setdefault(str(one.descriptor.digest), one)
        sources = tuple(dict.fromkeys((*known.sources, *one.sources)))
        found[str(one.descriptor.digest)] = replace(known, sources=sources)
    return tuple(found[digest] for digest in sorted(found))
