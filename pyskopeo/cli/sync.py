"""``pyskopeo sync``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.plan import Form
from ..engine.selection import Selection
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean, integer
from .format_flags import FORM, FORMATS
from .options import AUTHFILE, NETWORK, PLATFORM, access, chosen_platform, registry_flags
from .progress import warnings_only
from .regex_timeout import bounded
from .supervision import run_async

if TYPE_CHECKING:
    from ..syncing.request import SyncRequest


def _side(prefix: str) -> tuple[Flag, ...]:
    return (
        *registry_flags(prefix),
        Flag(f"{prefix}authfile", "path of the credentials file for this side", value="PATH"),
        Flag(f"{prefix[0]}creds", "", value="USER[:PASS]", hidden=True),
    )


_FLAGS = (
    Flag("src", "transport of SOURCE: docker, dir, oci or yaml", short="s", value="TRANSPORT", default=""),
    Flag("dest", "transport of DESTINATION: docker, dir or oci", short="d", value="TRANSPORT", default=""),
    Flag("scoped", "keep the whole path of the source below DESTINATION", read=boolean, default=False),
    Flag("append-suffix", "put TEXT behind each name at the destination", value="TEXT", default=""),
    Flag("all", "copy all images where a name stands for a list", short="a", read=boolean, default=False),
    PLATFORM,
    Flag("include", "only images in whose tag or whole name the regular expression is found", value="REGEX",
         repeat=True),
    Flag("exclude", "no images in whose tag or whole name the regular expression is found", value="REGEX",
         repeat=True),
    Flag("latest", "only the N newest tags of each repository: by version, else by name", value="N", read=integer,
         default=0),
    Flag("jobs", "images under way at once (default 8); blobs are bounded together", value="N", read=integer,
         default=8),
    Flag("keep-going", "go on when an image cannot be copied, and fail in the end", read=boolean, default=False),
    Flag("dry-run", "say what would be copied, and create nothing", read=boolean, default=False),
    Flag("digestfile", "write the digest and the name of each image at the destination to PATH", value="PATH"),
    Flag("report", "write what became of each image to PATH, as JSON", value="PATH"),
    AUTHFILE,
    *_side("src-"),
    *_side("dest-"),
    *(flag for flag in FORM if flag.name in ("format", "preserve-digests", "remove-signatures")),
    *NETWORK,
)  # fmt: skip


def run(parsed: Parsed) -> int:
    """List, copy, and say what became of it; the files asked for are written however it ends."""
    from ..syncing.request import ReportBuilder
    from ..syncing.sync import sync
    from .sync_files import create_digest_file, write_digests, write_report
    from .sync_view import show_summary, viewing

    request = _request(parsed)
    request.check()
    digestfile = Path(parsed["digestfile"]) if parsed["digestfile"] and not request.dry_run else None
    if digestfile is not None:
        create_digest_file(digestfile)
    builder = ReportBuilder()

    async def work() -> int:
        with viewing(builder) as report:
            reading, writing = access(parsed, "src-", warnings_only), access(parsed, "dest-", warnings_only)
            await sync(request, source_access=reading, destination_access=writing, report=report)
        return 0

    try:
        return run_async(work, parsed["command-timeout"])
    finally:
        report = builder.report
        if report.results and not request.dry_run:
            show_summary(report)
        if digestfile is not None and builder.listed:
            write_digests(digestfile, report)
        if parsed["report"]:
            write_report(Path(parsed["report"]), request, report)


def _request(parsed: Parsed) -> SyncRequest:
    """What the flags say; raises `InvalidInput`."""
    from ..syncing.request import SyncRequest
    from ..syncing.tag_selection import TagSelection

    source, destination = parsed.arguments
    wanted = parsed["format"] or ""
    if wanted and wanted not in FORMATS:
        raise UsageError(f"unknown format \"{wanted}\". Choose one of the supported formats: 'oci', 'v2s1', or 'v2s2'")
    if parsed["latest"] < 1 and "latest" in parsed.given:
        raise UsageError("--latest: want 1 or more")
    if parsed["platform"] is not None and parsed["all"]:
        raise UsageError("--platform chooses one image, so it does not go with --all")
    if parsed["jobs"] < 1:
        raise UsageError("--jobs: want 1 or more")
    return SyncRequest(
        source_transport=parsed["src"],
        source=source,
        destination_transport=parsed["dest"],
        destination=destination,
        selection=Selection(chosen_platform(parsed), "all" if parsed["all"] else "system"),
        scoped=parsed["scoped"],
        suffix=parsed["append-suffix"],
        tag_selection=TagSelection.parse(parsed["include"], parsed["exclude"], parsed["latest"]),
        form=Form(format=wanted, preserve_digests=parsed["preserve-digests"]),
        keep_going=parsed["keep-going"],
        dry_run=parsed["dry-run"],
        jobs=parsed["jobs"],
        record=_record(parsed["dest"], destination),
        guard=partial(bounded, "choosing images"),
    )


def _record(transport: str, destination: str) -> Path:
    """Where it is remembered what was copied: in the destination, or for a registry among the user's caches."""
    from ..syncing.record import RECORD_NAME

    if transport != "docker":
        return Path(destination) / RECORD_NAME
    import hashlib

    caches = os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME") or Path.home()) / ".cache"
    name = hashlib.sha256(destination.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return Path(caches) / "pyskopeo" / f"sync-{name}.json"



COMMAND = Command(
    name="sync",
    arguments="SOURCE DESTINATION",
    description=(
        "Copy all the images from a SOURCE to a DESTINATION that are not there yet; both are named without\n"
        "their transports, which --src and --dest give.\n\n"
        "  docker  HOST/REPOSITORY[:TAG]: an image, or all tags of a repository\n"
        "  dir     a directory: every image in it; as a destination, one directory for each image\n"
        "  oci     a layout: every image in it; the reference name is the image's name\n"
        "  yaml    a file that names registries, repositories and tags, as skopeo-sync(1) has it\n\n"
        "--include and --exclude look in the tag and in HOST/REPOSITORY:TAG: '^1\\.' begins a tag.\n"
        "What was copied is written down in DESTINATION/.pyskopeo-sync.json (for docker in the user's caches), so\n"
        "that the next run need only ask whether the source has changed; nothing but time is lost with it."
    ),
    examples=(
        "pyskopeo sync --src docker --dest dir --scoped registry.example.com/busybox /media/usb",
        "pyskopeo sync --src docker --dest docker --latest 3 --all docker.io/library/nginx mirror.example.com/hub",
        "pyskopeo sync --src yaml --dest oci --keep-going --report done.json images.yaml mirror",
    ),
    flags=_FLAGS,
    run=run,
)
