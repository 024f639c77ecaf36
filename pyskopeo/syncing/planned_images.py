"""Plan the images of one repository: their digests, and what copying them takes, by as few requests as possible.

One request for the manifest of an image whose digest the list of tags does not have; one more in a repository of lists
of images, for one image of one of them, by which all others there are estimated. An image that was copied by an earlier
run is asked for with HEAD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.selection import choose_child
from ..streams.concurrency import SingleFlight
from ..transports import parse_image_name
from .estimates import UNKNOWN, ImageEstimate, image_entries
from .plan_file import PlannedImage
from .registry_queries import source_digest

if TYPE_CHECKING:

    from anyio import CapacityLimiter

    from ..access import Access
    from ..engine.selection import Selection
    from ..interfaces import ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..registry.tag_pages import ListedManifest
    from .earlier_runs import EarlierRuns
    from .sync_request import SyncImage, SyncRequest


class RepositoryPlanner:
    """Plans the images of one repository, directory or layout.

    ``access`` is that of the source. ``limiter`` bounds the images that are asked for at once, of all repositories.
    ``earlier`` are the images that earlier runs have copied.
    """

    def __init__(
        self, request: SyncRequest, access: Access, limiter: CapacityLimiter, earlier: EarlierRuns
    ) -> None:
        self._request, self._access, self._limiter, self._earlier = request, access, limiter, earlier
        self._typical: SingleFlight[str, ImageEstimate] = SingleFlight()

    async def plan(self, image: SyncImage, listed: ListedManifest | None) -> PlannedImage:
        """Return the plan of an image; ``listed`` is what the list of tags says. Raises what reading it raises."""
        digest = image.pinned or (None if listed is None else listed.digest)
        if present := self._earlier.present(image, digest):
            return _unchanged(image, digest, present)
        if listed is not None:
            return self._planned(image, listed.digest, ImageEstimate(listed.size), listed.size)
        async with self._limiter:
            if digest is None and self._earlier.knows(image):
                digest = await self._current_digest(image)
                if present := self._earlier.present(image, digest):
                    return _unchanged(image, digest, present)
            return await self._read(image)

    async def _current_digest(self, image: SyncImage) -> Digest | None:
        reference = parse_image_name(image.source).reference
        return None if reference is None else await source_digest(reference, self._access)

    async def _read(self, image: SyncImage) -> PlannedImage:
        async with parse_image_name(image.source).open_source(self._access) as source:
            manifest = await source.manifest()
            estimate = await self._estimate(source, manifest, self._request.selection_of(image))
        return self._planned(image, manifest.digest, estimate, estimate.size)

    async def _estimate(self, source: ImageSource, manifest: Manifest, selection: Selection) -> ImageEstimate:
        if not manifest.is_index:
            return ImageEstimate.of(manifest)
        entries: list[Descriptor] = image_entries(manifest)
        if selection.mode != "all":
            chosen = choose_child(manifest, selection.platform)
            typical = await self._typical_image(source, [one for one in (chosen,) if one in entries])
            return typical.times(1, 1)
        typical = await self._typical_image(source, entries)
        return typical.times(len(entries), len(manifest.manifests))

    async def _typical_image(self, source: ImageSource, entries: list[Descriptor]) -> ImageEstimate:
        """Return the estimate for one image of a list, which is read once in a repository."""

        async def read() -> ImageEstimate:
            return ImageEstimate.of(await source.manifest(entries[0]))

        return await self._typical.get("", read) if entries else UNKNOWN

    def _planned(
        self, image: SyncImage, digest: Digest, estimate: ImageEstimate, size: int | None
    ) -> PlannedImage:
        source, destination = (name.partition(":")[0] for name in (image.source, image.destination))
        return PlannedImage(
            image.source, image.destination, digest, size, estimate.requests(source, destination), estimate.base,
            image.whole,
        )  # fmt: skip


def unresolved(image: SyncImage) -> PlannedImage:
    """Return the plan of an image about which nothing was asked: what its tag refers to is copied."""
    source, destination = (name.partition(":")[0] for name in (image.source, image.destination))
    requests = UNKNOWN.requests(source, destination)
    return PlannedImage(image.source, image.destination, image.pinned, None, requests, "", image.whole)


def _unchanged(image: SyncImage, digest: Digest | None, present: Digest) -> PlannedImage:
    return PlannedImage(image.source, image.destination, digest, 0, 0, "", image.whole, present)
