"""Run the plan in a file on a cluster, for the library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..streams.cancellation import run_in_thread
from ..syncing.plan_source import PlanSource
from ..syncing.sync_request import IMAGES_AT_ONCE, SyncReport, SyncSink, ignore
from .copy_on_cluster import WORKER_TIMEOUT, ClusterOptions, copy_on_cluster

if TYPE_CHECKING:
    from ..access import Access


async def sync_on_cluster(
    plan: Path | str,
    address: str,
    *,
    keep_going: bool = False,
    jobs: int = IMAGES_AT_ONCE,
    send_credentials: bool = False,
    worker_timeout: float = WORKER_TIMEOUT,
    report: SyncSink = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> SyncReport:
    """Copy the images of a plan on the workers of a Dask scheduler, as ``sync --run FILE --cluster ADDRESS`` does.

    ``plan`` is the path of a file that ``sync --plan`` wrote. ``address`` is that of the scheduler,
    ``tcp://HOST:PORT`` or ``tls://HOST:PORT``, or the path of its scheduler file. Workers have the same versions of
    Python, pyskopeo and distributed, and their own configuration, credentials and content store; ``send_credentials``
    sends those that the accesses have for the registries of the plan, over TLS only. ``jobs`` is the number of images
    that each thread of a worker copies at once. ``worker_timeout`` is how many seconds to wait for the first worker.
    ``keep_going`` continues after an image has failed. ``report`` is called with the events of all workers, in the
    event loop, which has to be asyncio's.

    What a worker was copying when it died is copied by another one; a blob is moved to a registry by one worker, and
    mounted by the others. Returns the result of each image. Raises `SyncFailed`, which has them too, when an image was
    not copied or the scheduler is gone; `ConnectionFailed` if it does not answer or has no workers; `InvalidContent`
    for a plan that is not whole, and `Unsupported` for workers with other versions.
    """
    options = ClusterOptions(
        address, jobs, keep_going, send_credentials=send_credentials, worker_timeout=worker_timeout
    )
    options.check()
    planned = PlanSource(Path(plan))
    images = await run_in_thread(lambda: planned.shard(None))
    return await copy_on_cluster(
        planned.header, images, options, source_access=source_access, destination_access=destination_access,
        report=report,
    )  # fmt: skip
