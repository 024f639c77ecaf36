"""``pyskopeo prefetch``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..model.platform import Platform
from .access_options import AUTHFILE, RESUME, AccessOptions, registry_flags
from .command import Command
from .copy_result import CopyNames
from .flags import Flag, Parsed, UsageError, boolean, integer
from .network_options import NETWORK, RANGES
from .platform_flags import COMMON_PLATFORMS, overridden
from .progress import PROGRESS, registry_report
from .quantities import quantity, size
from .receipt_flag import RECEIPT, recording, write_receipt
from .referrer_flags import REFERRERS, wanted_referrers

if TYPE_CHECKING:
    from ..model.events import Event
    from ..model.referrer import WantedReferrers
    from ..syncing.prefetch import PrefetchPlan
    from ..syncing.sync_request import SyncEvent

_FLAGS = (
    Flag("dest", "layout to fetch into, whose images get their names from the lock; a single one may be given another, "
         "NAME", value="oci:DIR[:NAME]", group="destination"),
    Flag("platform", "fetch only the image for OS/ARCH[/VARIANT]; several times: those images, with their index",
         value="PLATFORM", read=Platform.parse, repeat=True, offered=COMMON_PLATFORMS, group="images"),
    Flag("jobs", "number of images to fetch in parallel, which share one limit on blobs (default: 8)", value="N",
         read=integer, default=8, group="network"),
    *(flag for flag in REFERRERS if flag.name != "cosign-tags"),
    Flag("dry-run", "print what would be fetched, without fetching it", read=boolean, default=False, group="output"),
    PROGRESS,
    RECEIPT,
    AUTHFILE,
    *registry_flags(),
    *NETWORK,
    *RANGES,
    *RESUME,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PrefetchOptions:
    """The options of ``prefetch``; ``layout`` is the directory to fetch into, None for the content store only."""

    lock: Path
    names: tuple[str, ...]
    layout: Path | None
    name: str
    platforms: tuple[Platform, ...]
    jobs: int
    dry_run: bool
    progress: str
    receipt: Path | None
    access: AccessOptions
    referrers: WantedReferrers | None

    @classmethod
    def of(cls, parsed: Parsed) -> PrefetchOptions:
        """Read the options; raises `InvalidInput`."""
        lock, *names = parsed.arguments
        layout, name = _layout(parsed.optional("dest", str))
        jobs = parsed.get("jobs", int)
        if jobs < 1:
            raise UsageError("--jobs: want 1 or more")
        return cls(
            lock=Path(lock),
            names=tuple(names),
            layout=layout,
            name=name,
            platforms=_platforms(parsed),
            jobs=jobs,
            dry_run=parsed.get("dry-run", bool),
            progress=parsed.get("progress", str),
            receipt=parsed.path("receipt"),
            access=AccessOptions.of(parsed),
            referrers=wanted_referrers(parsed),
        )


def _platforms(parsed: Parsed) -> tuple[Platform, ...]:
    """Return the platforms of ``--platform``, or the one of ``--override-*``; () for all that is locked."""
    platforms = parsed.repeated("platform", Platform)
    overrides = overridden(parsed)
    if platforms and overrides:
        raise UsageError("--platform and --override-os, -arch, -variant exclude each other")
    return (Platform.host(**overrides),) if overrides else platforms


def _layout(dest: str | None) -> tuple[Path | None, str]:
    if not dest:
        return None, ""
    from ..errors import InvalidName
    from ..transports import parse_image_name
    from ..transports.oci import OciReference

    try:
        found = parse_image_name(dest)
    except InvalidName as error:
        raise UsageError(f"--dest: want oci:DIR, or --store DIR alone: {error}") from None
    if not isinstance(found, OciReference):
        raise UsageError(f"--dest {dest}: want oci:DIR, or --store DIR alone")
    return found.path, found.name


async def run(options: PrefetchOptions) -> int:
    """Fetch what is missing, or print it; the exit code is 3 if something is missing and nothing may be requested."""
    from ..storage.lock_files import read_lock
    from ..syncing.prefetch import PrefetchRequest, plan_prefetch, prefetch
    from ..syncing.sync_request import ImageEvent, ReportBuilder
    from .sync_view import show_end, viewing

    request = PrefetchRequest(
        read_lock(options.lock), options.layout, options.name, options.names, options.platforms, options.jobs,
        options.referrers,
    )
    access = options.access.access(registry_report(options.progress))
    if options.dry_run or access.network.offline:
        plan = await plan_prefetch(request, access=access)
        if access.network.offline and plan.missing:
            from .missing_view import report_missing

            return report_missing(str(options.lock), plan.missing, "; without --offline they are fetched")
        if options.dry_run:
            _print_plan(plan)
            return 0
    builder = ReportBuilder()

    def forget(event: Event) -> None:
        """What is shown comes from the events of the images."""

    names = CopyNames(str(options.lock), "store" if options.layout is None else f"oci:{options.layout}")
    with (
        viewing(options.progress, names, builder) as show,
        recording(options.receipt, forget) as (record_event, record),
    ):

        def report(event: SyncEvent) -> None:
            if isinstance(event, ImageEvent):
                record_event(event.event)
            show(event)

        done = await prefetch(request, access=access, report=report)
    show_end(options.progress, builder.report)
    if record is not None and options.receipt is not None:
        from ..model.receipt import joint_receipt

        receipts = [record.receipt(str(one.image.reference), one.result, local="store") for one in done]
        write_receipt(options.receipt, joint_receipt(str(options.lock), receipts))
    return 0


def _print_plan(plan: PrefetchPlan) -> None:
    for one in plan.missing:
        blob = one.descriptor
        print(f"to fetch  {blob.digest}  {size(blob.size):>10}  {one.sources[0]}")
    whole = f"{quantity(plan.blobs, 'blob')}, {size(plan.total)} ({plan.total} bytes)"
    missing = f"{quantity(len(plan.missing), 'blob')}, {size(plan.missing_bytes)} ({plan.missing_bytes} bytes)"
    print(f"{quantity(len(plan.images), 'image')}, {whole}; to fetch: {missing}")
    sys.stdout.flush()


COMMAND = Command(
    name="prefetch",
    arguments="LOCK [NAME...]",
    description=(
        "Fetch the images of a lock file that pyskopeo lock has written, or those named NAME: into the layout of\n"
        "--dest, into the content store of --store, or into the store and from there into the layout.\n\n"
        "Manifests are taken from the lock and never requested; blobs are requested by digest from the places in\n"
        "the lock, in order, each once. What is there already is not requested, and what an interrupted run has\n"
        "fetched is kept. With --offline nothing is requested: what is missing is printed as JSON, and the exit\n"
        "code is 3."
    ),
    examples=(
        "pyskopeo prefetch images.lock --dest oci:images",
        "pyskopeo prefetch images.lock --store /srv/images --platform linux/amd64",
        "pyskopeo --offline prefetch images.lock --dest oci:images",
        "pyskopeo prefetch images.lock cache --dest oci:cache --receipt cache.json",
    ),
    flags=_FLAGS,
    read=PrefetchOptions.of,
    run=run,
)
