"""Run the plan of a sync on the workers of a Dask scheduler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..access import Access
from ..errors import InvalidInput, Unsupported
from ..fast_dataclass import dataclass, replace
from ..syncing.planned_run import by_repository, planned_request
from ..syncing.sync import finish_run
from ..syncing.sync_request import (
    IMAGES_AT_ONCE,
    ImageGroup,
    ImagesListed,
    Listing,
    LogMessage,
    OnRateLimit,
    ReportBuilder,
    SyncEvent,
    SyncFailed,
    SyncReport,
    SyncSink,
    ignore,
)
from .absolute_names import absolute_header, absolute_image
from .cluster_run import ClusterPlan, ClusterRun, wait_for_workers
from .connection import connected, scheduler_address
from .sent_credentials import collect_credentials
from .settings import WorkerSettings

if TYPE_CHECKING:
    from ..syncing.plan_file import PlanHeader, PlannedImage

WORKER_TIMEOUT = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How a plan runs on a cluster.

    ``address`` is that of the scheduler, ``tcp://HOST:PORT`` or ``tls://HOST:PORT``, or the path of a scheduler file.
    ``jobs`` is the number of images that a task copies at once; a worker runs one task in each of its threads.
    ``keep_going`` continues after an image has failed, ``on_rate_limit`` is that of `SyncRequest`. ``settings`` go to
    the workers; None: those of the accesses. ``send_credentials`` sends the credentials that the accesses have for the
    registries of the plan to the workers, to a scheduler with TLS only; without it workers have their own.
    ``worker_timeout`` is how many seconds to wait for the first worker.
    """

    address: str
    jobs: int = IMAGES_AT_ONCE
    keep_going: bool = False
    settings: WorkerSettings | None = None
    send_credentials: bool = False
    on_rate_limit: OnRateLimit = "fail"
    worker_timeout: float = WORKER_TIMEOUT

    def check(self) -> str:
        """Return the address of the scheduler; raises `InvalidInput` for impossible options."""
        address = scheduler_address(self.address)
        if self.jobs < 1:
            raise InvalidInput(f"{self.jobs} images at once are too few: want at least 1")
        if self.send_credentials and not address.startswith("tls://"):
            raise Unsupported(
                f"credentials are not sent to {address}, which is without TLS: use a scheduler at tls://, or log in on "
                "the workers"
            )
        return address


async def copy_on_cluster(
    header: PlanHeader,
    images: Iterable[PlannedImage],
    options: ClusterOptions,
    *,
    source_access: Access | None = None,
    destination_access: Access | None = None,
    report: SyncSink = ignore,
    listing_failures: int = 0,
) -> SyncReport:
    """Copy the images of a plan that are not at the destination, on the workers of a Dask scheduler.

    Workers use their own configuration and credentials, see `ClusterOptions`; the accesses are those of this process,
    None is the user's own. What a worker was copying when it died is copied by another one. ``report`` is called with
    every event of all workers, in the event loop, which has to be asyncio's. ``listing_failures`` is the number of
    sources that could not be listed when the plan was made: the run fails for them at its end.

    Returns the result of each image. Raises `SyncFailed` when an image was not copied, as `run_planned` does, and when
    the scheduler is gone; `ConnectionFailed` if it does not answer at all, and `Unsupported` for workers with other
    versions.
    """
    address = options.check()
    reading, writing = (access or Access.from_environ() for access in (source_access, destination_access))
    header = absolute_header(header)
    request = planned_request(header, keep_going=options.keep_going, jobs=options.jobs, access=writing)
    request = replace(request, on_rate_limit=options.on_rate_limit)
    request.check()
    planned = list({image.image: image for image in map(absolute_image, images)}.values())
    builder = ReportBuilder()

    def emit(event: SyncEvent) -> None:
        builder(event)
        report(event)

    settings = options.settings or WorkerSettings.of(reading, writing)
    sent = await collect_credentials(planned, reading, writing) if options.send_credentials else None
    groups = tuple(ImageGroup(tuple(one), reading) for one in by_repository(planned))
    emit(ImagesListed(Listing(groups, listing_failures)))
    try:
        async with connected(address) as scheduler:
            workers = await wait_for_workers(scheduler, options.worker_timeout)
            threads = sum(workers.values())
            how_many = f"{_quantity(len(workers), 'worker')} with {_quantity(threads, 'thread')}"
            emit(LogMessage("info", f"Copying on {how_many} at {address}"))
            plan = ClusterPlan(header, planned, request, settings, sent)
            await ClusterRun(scheduler, plan, threads, emit).run(writing)
    except SyncFailed as error:
        error.report = builder.report
        raise
    finish_run(request, builder.report, emit, exit_code=1)
    return builder.report


def _quantity(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
