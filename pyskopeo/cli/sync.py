"""``pyskopeo sync``."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from ..errors import PyskopeoError
from ..fast_dataclass import replace
from .access_options import AUTHFILE, RESUME, registry_flags
from .cluster_flags import CLUSTER
from .command import Command
from .copy_result import CopyNames
from .flags import Flag, boolean, integer
from .format_flags import FORM
from .mirror_flags import MIRROR
from .network_options import NETWORK, RANGES
from .plan_flags import PLANS
from .platform_flags import CHOOSING
from .progress import PROGRESS, registry_report
from .referrer_flags import REFERRERS
from .signing_flags import SIGNING
from .sync_options import SyncOptions

if TYPE_CHECKING:
    from ..access import Access
    from ..model.events import Report
    from ..syncing.sync_request import ReportBuilder, SyncReport, SyncRequest, SyncSink
    from .sync_metrics import SyncMetrics

_FORM = ("format", "preserve-digests", "remove-signatures", "remove-list-signatures", "max-inflated")
_FLAGS = (
    Flag("src", "transport of SOURCE: docker, registry, dir, oci, docker-archive or yaml", short="s", value="TRANSPORT",
         default="", offered=("docker", "registry", "dir", "oci", "docker-archive", "yaml"), group="source"),
    Flag("dest", "transport of DESTINATION: docker, dir or oci", short="d", value="TRANSPORT", default="",
         offered=("docker", "dir", "oci"), group="destination"),
    Flag("scoped", "append the full source path to DESTINATION", read=boolean, default=False, group="destination"),
    Flag("append-suffix", "suffix to append to each name at the destination", value="TEXT", default="",
         group="destination"),
    Flag("all", "copy every image of a list, not only that of one platform", short="a", read=boolean, default=False,
         group="images"),
    *CHOOSING,
    *MIRROR,
    Flag("include", "copy only images whose tag or full name contains a match of REGEX", value="REGEX", repeat=True,
         group="images"),
    Flag("exclude", "do not copy images whose tag or full name contains a match of REGEX", value="REGEX", repeat=True,
         group="images"),
    Flag("semver", "copy only images whose tag is a version in RANGE, such as '>= 1.2, < 3 || ^4.1'", value="RANGE",
         group="images"),
    Flag("latest", "copy only the N newest versions of each repository, one tag of each, without pre-releases if there "
         "are releases; without versions, the last N tags by name", value="N", read=integer, default=0, group="images"),
    *PLANS,
    *CLUSTER,
    Flag("jobs", "number of images to copy in parallel, which share one limit on blobs (default: 8)", value="N",
         read=integer, default=8, group="network"),
    Flag("keep-going", "continue after an image failed to copy, and fail at the end", read=boolean, default=False,
         group="images"),
    Flag("dry-run", "print what would be copied, without writing anything", read=boolean, default=False,
         group="output"),
    PROGRESS,
    Flag("digestfile", "write the digest and the name of each image at the destination to PATH", value="PATH",
         group="output"),
    Flag("report", "write the result of each image to PATH as JSON, or as a page if PATH ends with .html", value="PATH",
         group="output"),
    AUTHFILE,
    *registry_flags("src-"),
    *registry_flags("dest-"),
    *(flag for flag in FORM if flag.name in _FORM),
    *REFERRERS,
    *SIGNING,
    *NETWORK,
    *RANGES,
    *RESUME,
)  # fmt: skip


async def run(options: SyncOptions) -> int:
    """Copy the images, once or again and again, or write a plan."""
    if options.plan is not None:
        from .sync_plan import write_plan

        return await write_plan(options)
    with _metrics(options) as metrics:
        if not options.watch:
            await _run(options, metrics, _names(options.request))
            return 0

        names = [_names(options.request)]  # shown once

        async def run_once() -> tuple[SyncReport, PyskopeoError | None]:
            from ..syncing.sync_request import ReportBuilder

            builder = ReportBuilder()
            try:
                await _run(options, metrics, names.pop() if names else CopyNames("", ""), builder)
            except PyskopeoError as error:
                return builder.report, error
            finally:
                if metrics is not None:
                    metrics.write(options.metrics)
            return builder.report, None

        from .sync_watch import watch

        await watch(run_once, options.watch, shows_lines=options.progress != "json")
    return 0


def _metrics(options: SyncOptions) -> AbstractContextManager[SyncMetrics | None]:
    """Return what counts in a context, None if nothing is to be counted."""
    if options.metrics is None:
        return nullcontext()
    from .sync_metrics import counting

    return counting(options.metrics)


async def _run(
    options: SyncOptions, metrics: SyncMetrics | None, names: CopyNames, builder: ReportBuilder | None = None
) -> None:
    """Copy the images once. Print a summary and write the files asked for, also after an error.

    With a ``builder`` it is one of many runs, about which a line is enough.
    """
    from ..syncing.sync_request import ReportBuilder
    from .sync_files import create_digest_file, write_digests, write_report
    from .sync_view import ImageSteps, shows_bars, viewing

    if options.digestfile is not None:
        create_digest_file(options.digestfile)
    is_watching, builder = builder is not None, builder or ReportBuilder()
    signatures = not options.request.form.remove_signatures
    with_steps = options.as_skopeo and options.progress == "auto" and not sys.stdout.isatty()
    steps = (ImageSteps(signatures=signatures),) if with_steps else ()
    counters = () if metrics is None else (metrics,)
    mode = "none" if is_watching and options.progress == "auto" and not shows_bars("auto") else options.progress
    exit_code = 1
    try:
        with viewing(mode, names, builder, *steps, *counters) as show:
            await _copy(options, show)
        exit_code = 0
    except PyskopeoError as error:
        exit_code = error.exit_code
        raise
    finally:
        results = builder.report
        if metrics is not None:
            metrics.finish_round(results, failed=exit_code != 0)
        if not is_watching or options.progress == "json":
            _show_end(options, results)
        if options.digestfile is not None and builder.listed:
            write_digests(options.digestfile, results)
        if options.report is not None:
            write_report(options, results, exit_code)


async def _copy(options: SyncOptions, show: SyncSink) -> None:
    """Copy the images of the source, or of a plan."""
    from ..streams.cancellation import run_in_thread
    from ..syncing.planned_run import run_planned
    from ..syncing.sync import sync

    report = registry_report(options.progress)
    writing = _writing(options, report)
    request = replace(options.request, signers=options.signing.signers(writing))
    reading = options.source_access.access(report)
    if options.cluster is not None:
        from .sync_cluster import copy_on_cluster

        await copy_on_cluster(options, reading, writing, show)
        return
    if options.planned is None:
        await sync(request, source_access=reading, destination_access=writing, report=show)
        return
    images = await run_in_thread(partial(options.planned.shard, options.shard))
    await run_planned(request, images, source_access=reading, destination_access=writing, report=show)


def _names(request: SyncRequest) -> CopyNames:
    """Return the names that are shown for a run."""
    from ..syncing.places import join_place

    return CopyNames(
        join_place(request.source_transport, request.source),
        join_place(request.destination_transport, request.destination),
    )


def _show_end(options: SyncOptions, report: SyncReport) -> None:
    """Print the summary. Bars leave out what skopeo logs at the end, so it is shown then."""
    from .sync_view import show_end, shows_bars

    is_logged = options.as_skopeo and not shows_bars(options.progress)
    if options.progress == "json" or not (is_logged or options.request.dry_run or not report.results):
        show_end(options.progress, report)


def _writing(options: SyncOptions, report: Report) -> Access:
    access = options.destination_access.access(report)
    return replace(access, writing=replace(access.writing, platforms=not options.as_skopeo))


COMMAND = Command(
    name="sync",
    arguments="SOURCE DESTINATION",
    description=(
        "Copy all images of SOURCE that are missing or out of date at DESTINATION. Both are given without a\n"
        "transport, which --src and --dest select:\n\n"
        "  docker          HOST/REPOSITORY[:TAG]: an image, or all tags of a repository\n"
        "  registry        HOST[/PATH]: all tags of all repositories, or of those below PATH\n"
        "  dir             a directory: every image in it; as a destination, one directory for each image\n"
        "  oci             a layout: every image in it; the reference name is the name of the image\n"
        "  yaml            a file that lists registries, repositories and tags, as in skopeo-sync(1)\n"
        "  docker-archive  a file: every image in it that has a name\n\n"
        "--include and --exclude search the tag and HOST/REPOSITORY:TAG: '^1\\.' matches the start of a tag.\n"
        "A record of the copied images is kept in DESTINATION/.pyskopeo-sync.json (for docker in the user's\n"
        "cache directory), so that the next run only asks whether the source has changed. It can be deleted."
    ),
    examples=(
        "pyskopeo sync --src docker --dest dir --scoped registry.example.com/busybox /media/usb",
        "pyskopeo sync --src docker --dest docker --latest 3 --all docker.io/library/nginx mirror.example.com/hub",
        "pyskopeo sync --src registry --dest docker --map '^[^/]*/old/=new/' registry.example.com mirror.example.com",
        "pyskopeo sync --src yaml --dest oci --keep-going --report done.json images.yaml mirror",
        "pyskopeo sync --src yaml --dest docker --plan plan.jsonl images.yaml mirror.example.com/hub",
        "pyskopeo sync --run plan.jsonl --shard 1/4 --report shard-1.json",
        "pyskopeo sync --run plan.jsonl --cluster tcp://scheduler.example.com:8786",
    ),
    flags=_FLAGS,
    read=SyncOptions.of,
    run=run,
    instead="run",
)
