"""Copy the images of a plan, or some of them, as `sync` copies those that it has listed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..access import Access
from ..errors import InvalidInput
from ..transports import parse_image_name
from .local_images import root_manifest
from .places import split_place
from .record import record_path
from .sync import copy_listed
from .sync_request import (
    IMAGES_AT_ONCE,
    ImageGroup,
    Listing,
    SyncImage,
    SyncReport,
    SyncRequest,
    SyncSink,
    ignore,
)

if TYPE_CHECKING:
    from ..signatures.signer import Signer
    from .plan_file import PlanHeader, PlannedImage
    from .record import Record
    from .registry_queries import Share
    from .shared_blobs import SharedBlobs


def planned_request(
    header: PlanHeader,
    *,
    keep_going: bool = False,
    dry_run: bool = False,
    jobs: int = IMAGES_AT_ONCE,
    signers: tuple[Signer, ...] = (),
    access: Access | None = None,
) -> SyncRequest:
    """Return the request of a plan; ``access`` is that of the destination. See `run_planned`."""
    source_transport, source = split_place(header.source)
    destination_transport, destination = split_place(header.destination)
    cache = (access or Access.from_environ()).storage.cache
    return SyncRequest(
        source_transport, source, destination_transport, destination, header.options.selection,
        form=header.options.form, keep_going=keep_going, dry_run=dry_run, jobs=jobs,
        record=record_path(destination_transport, destination, cache), referrers=header.options.referrers,
        signers=signers,
    )  # fmt: skip


async def run_planned(
    request: SyncRequest,
    images: Iterable[PlannedImage],
    *,
    source_access: Access | None = None,
    destination_access: Access | None = None,
    report: SyncSink = ignore,
    shared: SharedBlobs | None = None,
    record: Record | None = None,
) -> SyncReport:
    """Copy ``images`` of a plan, those that are missing or out of date at the destination.

    ``request`` is made by `planned_request`. ``shared`` knows where blobs are at the destination that other runs have
    put there, and after the run where those of this one are; None: nothing is known. ``record`` takes the place of the
    file that the request names. There may be no images at all.

    Returns the result of each image and raises what `sync` raises. `InvalidInput` is also raised if an image of a local
    source is not the planned one any more.
    """

    async def list_source(reading: Access, share: Share, _: SyncSink) -> Listing:
        groups = by_repository(images)
        if request.source_transport in ("dir", "oci"):
            for one in groups:
                await _check_local(one, reading)
        else:
            reading = await share(reading)
        return Listing(tuple(ImageGroup(tuple(one), reading) for one in groups))

    return await copy_listed(
        request, list_source, source_access=source_access, destination_access=destination_access, report=report,
        shared=shared, record=record,
    )  # fmt: skip


def by_repository(images: Iterable[PlannedImage]) -> list[list[SyncImage]]:
    """Return the images by their repositories, or layouts, in the order of the first of each."""
    found: dict[str, list[SyncImage]] = {}
    for one in images:
        name = one.source.partition("@")[0]
        repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
        found.setdefault(repository, []).append(one.image)
    return list(found.values())


async def _check_local(images: list[SyncImage], access: Access) -> None:
    """Raise `InvalidInput` for an image of a directory or a layout that has another digest than when it was planned."""
    for image in images:
        if image.pinned is None:
            continue
        manifest = await root_manifest(parse_image_name(image.source), access)
        if manifest is None or manifest.digest != image.pinned:
            now = "cannot be read now" if manifest is None else f"is {manifest.digest} now"
            raise InvalidInput(f"{image.source} {now}, and was {image.pinned} when it was planned: make a new plan")
