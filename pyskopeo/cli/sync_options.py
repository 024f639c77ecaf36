"""The options of ``pyskopeo sync``: what its flags and arguments ask for."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.home import cache_directory, home_directory
from ..engine.plan import Form
from ..engine.selection import Selection
from ..fast_dataclass import dataclass, replace
from .access_options import AccessOptions
from .cluster_flags import check_cluster_flags
from .command import program
from .flags import Parsed, UsageError
from .format_flags import compresses_plain_layers, manifest_format
from .mirror_flags import deletion_limit, on_rate_limit, renaming, repository_selection, watch_interval
from .plan_flags import check_plan_flags, chosen_shard, plan_source
from .platform_flags import chosen_image, refuse_choice
from .referrer_flags import wanted_referrers
from .regex_timeout import bounded
from .signing_flags import SigningOptions

if TYPE_CHECKING:
    from ..syncing.plan_source import PlanSource
    from ..syncing.shards import Shard
    from ..syncing.sync_request import SyncRequest
    from ..syncing.tag_selection import TagSelection
    from .sync_metrics import MetricsTarget


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The options of ``sync``. ``digestfile`` is None in a dry run.

    ``as_skopeo`` is whether it prints what skopeo does, and without bars no more. ``plan`` is the file for a plan
    that is made, ``since`` are reports of earlier runs for it; ``planned`` is the plan that is run, ``shard`` the part
    of it. Of a plan that is run, ``request`` is made from its header. ``watch`` is the time in seconds after which
    there is another run, 0: never. ``metrics`` is where they are written or served. ``cluster`` is the address of a
    scheduler whose workers copy.
    """

    request: SyncRequest
    signing: SigningOptions
    source_access: AccessOptions
    destination_access: AccessOptions
    digestfile: Path | None
    report: Path | None
    as_skopeo: bool
    progress: str
    plan: Path | None = None
    since: tuple[Path, ...] = ()
    planned: PlanSource | None = None
    shard: Shard | None = None
    watch: float = 0.0
    metrics: MetricsTarget | None = None
    cluster: str | None = None
    send_credentials: bool = False

    @classmethod
    def of(cls, parsed: Parsed) -> SyncOptions:
        """Read the options, and the beginning of a plan that is run; raises `InvalidInput` and what reading raises."""
        check_plan_flags(parsed)
        check_cluster_flags(parsed)
        planned = plan_source(parsed)
        request = _request(parsed) if planned is None else _planned_request(parsed, planned)
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
            plan=parsed.path("plan"),
            since=tuple(map(Path, parsed.repeated("since", str))),
            planned=planned,
            shard=chosen_shard(parsed),
            watch=watch_interval(parsed),
            metrics=_metrics(parsed),
            cluster=parsed.optional("cluster", str),
            send_credentials=parsed.get("send-credentials", bool),
        )


def _request(parsed: Parsed) -> SyncRequest:
    from ..syncing.sync_request import SyncRequest

    source, destination = parsed.arguments
    wanted = manifest_format(parsed)
    tag_selection, every = _tag_selection(parsed), parsed.get("all", bool)
    if every:
        refuse_choice(parsed, "--all")
    transport = parsed.get("dest", str)
    if program() == "skopeo" and (given := parsed.get("src", str)) in ("registry", "docker-archive"):
        raise UsageError(f'"{given}" is not a valid source transport: want docker, dir, oci or yaml')
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
        jobs=_jobs(parsed),
        record=_record(transport, destination),
        guard=partial(bounded, "choosing images"),
        referrers=wanted_referrers(parsed),
        repositories=repository_selection(parsed),
        renaming=renaming(parsed),
        on_rate_limit=on_rate_limit(parsed),
        delete=parsed.get("delete", bool),
        max_delete=deletion_limit(parsed),
    )


def _planned_request(parsed: Parsed, planned: PlanSource) -> SyncRequest:
    """Return the request of a plan that is run."""
    from ..syncing.planned_run import planned_request

    request = planned_request(
        planned.header, keep_going=parsed.get("keep-going", bool), dry_run=parsed.get("dry-run", bool),
        jobs=_jobs(parsed),
    )  # fmt: skip
    return replace(request, on_rate_limit=on_rate_limit(parsed))


def _metrics(parsed: Parsed) -> MetricsTarget | None:
    if "metrics" not in parsed.given:
        return None
    from .sync_metrics import MetricsTarget

    return MetricsTarget.of(parsed)


def _jobs(parsed: Parsed) -> int:
    jobs = parsed.get("jobs", int)
    if jobs < 1:
        raise UsageError("--jobs: want 1 or more")
    return jobs


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
