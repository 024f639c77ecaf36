"""The plan of a sync for a cluster: the names of its images alone, since the workers ask for all else."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ..syncing.plan_file import PlanHeader, PlannedImage, PlanReader
from ..syncing.planning import plan_sync

if TYPE_CHECKING:
    from ..access import Access
    from ..syncing.sync_request import SyncRequest, SyncSink


async def list_images_of(
    request: SyncRequest, access: Access, report: SyncSink
) -> tuple[PlanHeader, list[PlannedImage], int]:
    """Return the plan of a request, and the number of sources that could not be listed.

    Raises what `plan_sync` raises.
    """
    file = io.BytesIO()

    async def write(content: bytes) -> None:
        file.write(content)

    totals = await plan_sync(request, write, source_access=access, resolve=False, report=report)
    file.seek(0)
    reader = PlanReader(file, "the plan")
    return reader.header, list(reader), totals.failures
