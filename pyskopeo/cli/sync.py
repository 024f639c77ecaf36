"""``pyskopeo sync``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access, cache_directory
from ..config.home import home_directory
from ..engine.plan import Form
from ..engine.selection import Selection
from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, RESUME, AccessOptions, registry_flags
from .command import Command, program
from .copy_result import CopyNames
from .flags import Flag, Parsed, UsageError, boolean, integer
from .format_flags import FORM, compresses_plain_layers, manifest_format
from .mirror_flags import MIRROR, deletion_limit, renaming, repository_selection
from .network_options import NETWORK, RANGES
from .platform_flags import CHOOSING, chosen_image, refuse_choice
from .progress import PROGRESS, registry_report
from .referrer_flags import REFERRERS, wanted_referrers
from .regex_timeout import bounded
from .signing_flags import SIGNING, SigningOptions

if TYPE_CHECKING:
    from ..model.events import Report
    from ..syncing.sync_request import SyncReport, SyncRequest
    from ..syncing.tag_selection import TagSelection

_FORM = ("format", "preserve-digests", "remove-signatures", "remove-list-signatures", "max-inflated")
_FLAGS = (
    Flag("src", "transport of SOURCE: docker, registry, dir, oci or yaml", short="s", value="TRANSPORT", default="",
         offered=("docker", "registry", "dir", "oci", "yaml"), group="source"),
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
    Flag("jobs", "number of images to copy in parallel, which share one limit on blobs (default: 8)", value="N",
         read=integer, default=8, group="network"),
    Flag("keep-going", "continue after an image failed to copy, and fail at the end", read=boolean, default=False,
         group="images"),
    Flag("dry-run", "print what would be copied, without writing anything", read=boolean, default=False,
         group="output"),
    PROGRESS,
    Flag("digestfile", "write the digest and the name of each image at the destination to PATH", value="PATH",
         group="output"),
    Flag("report", "write the result of each image to PATH as JSON", value="PATH", group="output"),
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


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The options of ``sync``. ``digestfile`` is None in a dry run.

    ``as_skopeo`` is whether it prints what skopeo does, and without bars no more.
    """

    request: SyncRequest
    signing: SigningOptions
    source_access: AccessOptions
    destination_access: AccessOptions
    digestfile: Path | None
    report: Path | None
    as_skopeo: bool
    progress: str

    @classmethod
    def of(cls, parsed: Parsed) -> SyncOptions:
        """Read the options; raises `InvalidInput`."""
        request = _request(parsed)
        request.check()
        return cls(
            request=request,
            signing=SigningOptions.of(parsed, dry_run=request.dry_run),
            source_access=AccessOptions.of(parsed, "src-"),
            destination_access=AccessOptions.of(parsed, "dest-"),
            digestfile=None if request.dry_run else parsed.path("digestfile"),
            report=parsed.path("report"),
            as_skopeo=program() == "skopeo",
            progress=parsed.get("progress", str),
        )


async def run(options: SyncOptions) -> int:
    """Copy the images. Print a summary and write the files asked for, also after an error or a signal."""
    from ..syncing.sync import sync
    from ..syncing.sync_request import ReportBuilder
    from .sync_files import create_digest_file, write_digests, write_report
    from .sync_view import ImageSteps, viewing

    if options.digestfile is not None:
        create_digest_file(options.digestfile)
    builder = ReportBuilder()
    signatures = not options.request.form.remove_signatures
    report = registry_report(options.progress)
    writing = _writing(options, report)
    with_steps = options.as_skopeo and options.progress == "auto" and not sys.stdout.isatty()
    steps = (ImageSteps(signatures=signatures),) if with_steps else ()
    try:
        with viewing(options.progress, _names(options.request), builder, *steps) as show:
            await sync(
                replace(options.request, signers=options.signing.signers(writing)),
                source_access=options.source_access.access(report),
                destination_access=writing,
                report=show,
            )
    finally:
        results = builder.report
        _show_end(options, results)
        if options.digestfile is not None and builder.listed:
            write_digests(options.digestfile, results)
        if options.report is not None:
            write_report(options.report, options.request, results)
    return 0


def _names(request: SyncRequest) -> CopyNames:
    """Return the names that are shown for a run."""
    source, destination = (
        f"{transport}:{'//' * (transport == 'docker')}{place}"
        for transport, place in (
            (request.source_transport, request.source), (request.destination_transport, request.destination)
        )
    )  # fmt: skip
    return CopyNames(source, destination)


def _show_end(options: SyncOptions, report: SyncReport) -> None:
    """Print the summary. Bars leave out what skopeo logs at the end, so it is shown then."""
    from .sync_view import show_end, shows_bars

    is_logged = options.as_skopeo and not shows_bars(options.progress)
    if options.progress == "json" or not (is_logged or options.request.dry_run or not report.results):
        show_end(options.progress, report)


def _writing(options: SyncOptions, report: Report) -> Access:
    access = options.destination_access.access(report)
    return replace(access, writing=replace(access.writing, platforms=not options.as_skopeo))


def _request(parsed: Parsed) -> SyncRequest:
    from ..syncing.sync_request import SyncRequest

    source, destination = parsed.arguments
    wanted = manifest_format(parsed)
    tag_selection, every = _tag_selection(parsed), parsed.get("all", bool)
    if every:
        refuse_choice(parsed, "--all")
    jobs = parsed.get("jobs", int)
    if jobs < 1:
        raise UsageError("--jobs: want 1 or more")
    transport = parsed.get("dest", str)
    if program() == "skopeo" and parsed.get("src", str) == "registry":
        raise UsageError('"registry" is not a valid source transport: want docker, dir, oci or yaml')
    return SyncRequest(
        source_transport=parsed.get("src", str),
        source=source,
        destination_transport=transport,
        destination=destination,
        selection=Selection(chosen_image(parsed), "all" if every else "system"),
        scoped=parsed.get("scoped", bool),
        suffix=parsed.get("append-suffix", str),
        tag_selection=tag_selection,
        form=Form(
            format=wanted,
            compress=compresses_plain_layers(parsed, f"{transport}:"),
            preserve_digests=parsed.get("preserve-digests", bool),
            remove_signatures=parsed.get("remove-signatures", bool),
            remove_list_signatures=parsed.get("remove-list-signatures", bool),
            max_inflated=parsed.optional("max-inflated", int),
        ),
        keep_going=parsed.get("keep-going", bool),
        dry_run=parsed.get("dry-run", bool),
        jobs=jobs,
        record=_record(transport, destination),
        guard=partial(bounded, "choosing images"),
        referrers=wanted_referrers(parsed),
        repositories=repository_selection(parsed),
        renaming=renaming(parsed),
        delete=parsed.get("delete", bool),
        max_delete=deletion_limit(parsed),
    )


def _tag_selection(parsed: Parsed) -> TagSelection:
    from ..syncing.tag_selection import TagSelection

    latest = parsed.get("latest", int)
    if latest < 1 and "latest" in parsed.given:
        raise UsageError("--latest: want 1 or more")
    return TagSelection.parse(
        parsed.repeated("include", str), parsed.repeated("exclude", str), latest, parsed.optional("semver", str)
    )


def _record(transport: str, destination: str) -> Path | None:
    from ..syncing.record import record_path

    return record_path(transport, destination, cache_directory(os.environ, home_directory(os.environ)))


COMMAND = Command(
    name="sync",
    arguments="SOURCE DESTINATION",
    description=(
        "Copy all images of SOURCE that are missing or out of date at DESTINATION. Both are given without a\n"
        "transport, which --src and --dest select:\n\n"
        "  docker    HOST/REPOSITORY[:TAG]: an image, or all tags of a repository\n"
        "  registry  HOST[/PATH]: all tags of all repositories, or of those below PATH\n"
        "  dir       a directory: every image in it; as a destination, one directory for each image\n"
        "  oci       a layout: every image in it; the reference name is the name of the image\n"
        "  yaml      a file that lists registries, repositories and tags, as in skopeo-sync(1)\n\n"
        "--include and --exclude search the tag and HOST/REPOSITORY:TAG: '^1\\.' matches the start of a tag.\n"
        "A record of the copied images is kept in DESTINATION/.pyskopeo-sync.json (for docker in the user's\n"
        "cache directory), so that the next run only asks whether the source has changed. It can be deleted."
    ),
    examples=(
        "pyskopeo sync --src docker --dest dir --scoped registry.example.com/busybox /media/usb",
        "pyskopeo sync --src docker --dest docker --latest 3 --all docker.io/library/nginx mirror.example.com/hub",
        "pyskopeo sync --src registry --dest docker --map '^[^/]*/old/=new/' registry.example.com mirror.example.com",
        "pyskopeo sync --src yaml --dest oci --keep-going --report done.json images.yaml mirror",
    ),
    flags=_FLAGS,
    read=SyncOptions.of,
    run=run,
)
