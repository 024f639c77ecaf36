"""``pyskopeo sync --cluster``: copy on the workers of a Dask scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..access import Access
    from ..syncing.sync_request import SyncSink
    from .sync_options import SyncOptions


async def copy_on_cluster(options: SyncOptions, reading: Access, writing: Access, show: SyncSink) -> None:
    """Copy the images of the source, or of a plan, on a cluster; raises what `cluster.copy_on_cluster` raises."""
    from ..cluster.copy_on_cluster import ClusterOptions
    from ..cluster.copy_on_cluster import copy_on_cluster as copy
    from ..cluster.settings import WorkerSettings
    from ..cluster.unresolved_plan import list_images_of
    from ..streams.cancellation import run_in_thread

    assert options.cluster is not None
    request, failures = options.request, 0
    cluster = ClusterOptions(
        options.cluster, request.jobs, request.keep_going,
        WorkerSettings.of(reading, writing, require_signed=options.destination_access.require_signed),
        send_credentials=options.send_credentials, on_rate_limit=request.on_rate_limit,
    )  # fmt: skip
    cluster.check()
    if options.planned is None:
        header, images, failures = await list_images_of(request, reading, show)
    else:
        planned = options.planned
        header, images = planned.header, await run_in_thread(lambda: planned.shard(options.shard))
    with _quiet():
        await copy(
            header, images, cluster, source_access=reading, destination_access=writing, report=show,
            listing_failures=failures,
        )  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what Dask logs on standard error: what is wrong is raised."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
