"""The flags of ``sync`` for mirrors of many repositories: which of a registry, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..errors import prefix_errors
from .command import program
from .flags import Flag, Parsed, UsageError, age, boolean

if TYPE_CHECKING:
    from ..syncing.deletion_limit import DeletionLimit
    from ..syncing.mapping import Renaming
    from ..syncing.repository_selection import RepositorySelection

LEAST_INTERVAL = 1.0
"""Seconds between two runs of ``--watch``, at least."""

MIRROR = (
    Flag("include-repository", "of a whole registry (--src registry), copy only repositories whose names, without the "
         "registry, contain a match of REGEX", value="REGEX", repeat=True, group="images"),
    Flag("exclude-repository", "of a whole registry, do not copy repositories whose names contain a match of REGEX",
         value="REGEX", repeat=True, group="images"),
    Flag("map", "rename images: what REGEX finds in HOST/REPOSITORY:TAG becomes REPLACEMENT, with groups as \\1, and "
         "the result is the name below DESTINATION; the first rule that matches counts", value="REGEX=REPLACEMENT",
         repeat=True, group="destination"),
    Flag("delete", "delete images at DESTINATION that a sync has copied there and that are gone at SOURCE, as far as "
         "that was listed to its end; --dry-run shows them", read=boolean, default=False, group="destination"),
    Flag("max-delete", "delete nothing, and fail, if more than N images would be deleted, or more than that percentage "
         "of the images copied so far", value="N|P%", group="destination"),
    Flag("on-rate-limit", "when a registry says that it allows no more requests for a while: wait, while images of "
         "other registries go on, or fail (default: wait)", value="wait|fail", default="wait", choices=("wait", "fail"),
         group="network"),
    Flag("watch", "run again and again, INTERVAL after the end of each run, such as 10m or 1d, and later after "
         "failures; a line is printed about each run", value="INTERVAL", read=age, group="images"),
    Flag("metrics", "count images, bytes and requests for Prometheus: in FILE, which is replaced after each run, or at "
         "http://HOST:PORT/metrics while the program runs", value="FILE|HOST:PORT", group="output"),
)  # fmt: skip


def on_rate_limit(parsed: Parsed) -> Literal["wait", "fail"]:
    """Return what is done when a registry allows no more requests; called skopeo, that image fails as ever."""
    return "wait" if parsed.get("on-rate-limit", str) == "wait" and program() != "skopeo" else "fail"


def watch_interval(parsed: Parsed) -> float:
    """Return the seconds between two runs, 0 for one run only; raises `UsageError`."""
    interval = parsed.optional("watch", float)
    if interval is None:
        return 0.0
    if interval < LEAST_INTERVAL:
        raise UsageError(f"--watch: want {LEAST_INTERVAL:g}s or more")
    if parsed.get("dry-run", bool):
        raise UsageError("--watch and --dry-run exclude each other")
    return interval


def deletion_limit(parsed: Parsed) -> DeletionLimit:
    """Return how many images may be deleted; raises `InvalidInput`."""
    from ..syncing.deletion_limit import NO_DELETION_LIMIT, DeletionLimit

    text = parsed.optional("max-delete", str)
    if text is None:
        return NO_DELETION_LIMIT
    if not parsed.get("delete", bool):
        raise UsageError("--max-delete limits what --delete does: want --delete, too")
    with prefix_errors("--max-delete"):
        return DeletionLimit.parse(text)


def repository_selection(parsed: Parsed) -> RepositorySelection:
    """Return which repositories of a registry are wanted; raises `InvalidInput`."""
    from ..syncing.repository_selection import RepositorySelection

    return RepositorySelection.parse(
        parsed.repeated("include-repository", str), parsed.repeated("exclude-repository", str)
    )


def renaming(parsed: Parsed) -> Renaming:
    """Return the rules of ``--map``; raises `InvalidInput`."""
    from ..syncing.mapping import Renaming

    return Renaming.parse(parsed.repeated("map", str))
