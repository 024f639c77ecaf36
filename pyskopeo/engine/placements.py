"""Predict how the blobs of a plan would be placed, for a dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model.events import Placement
from ..streams.concurrency import each
from .transfer import SMALL_AT_ONCE

if TYPE_CHECKING:
    from ..interfaces import ImageDestination, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .plan import Plan


async def predict_placements(
    plan: Plan, source: ImageSource, destination: ImageDestination
) -> dict[Digest, Placement]:
    """Return how each blob of a plan would be placed, as far as that can be found out without writing."""
    unchanged = {blob.digest for blob in plan.blobs}  # only these exist already, so only they can be mounted
    ciphered = {blob.digest for blob, change in plan.changes if change.cipher}
    placements: dict[Digest, Placement] = {}

    async def predict(blob: Descriptor) -> None:
        if blob.digest in ciphered:
            placements[blob.digest] = Placement.WRITTEN
        elif await destination.has_blob(blob):
            placements[blob.digest] = Placement.PRESENT
        elif blob.digest in unchanged and destination.would_mount(source.blob(blob)):
            placements[blob.digest] = Placement.MOUNTED
        elif blob.digest in unchanged and await source.is_stored(blob):
            placements[blob.digest] = Placement.LINKED
        else:
            placements[blob.digest] = Placement.WRITTEN

    await each(plan.all_blobs, predict, at_once=SMALL_AT_ONCE)
    return placements
