"""The flags of ``sync`` for plans: one is made, or run as a whole or in shards on several machines."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .flags import Flag, Parsed, UsageError

if TYPE_CHECKING:
    from ..syncing.plan_source import PlanSource
    from ..syncing.shards import Shard


def _shard(text: str) -> Shard:
    from ..syncing.shards import Shard

    return Shard.parse(text)


PLANS = (
    Flag("plan", "copy nothing: write to FILE, or with - to standard output, what is to be copied, one image a line, "
         "with digests, bytes and requests", value="FILE", group="plan"),
    Flag("since", "with --plan: what the report of an earlier run says to be at the destination is not asked for "
         "again; can be repeated", value="REPORT", repeat=True, group="plan"),
    Flag("run", "copy what a file of --plan says, - for standard input, instead of SOURCE and DESTINATION",
         value="FILE", group="plan"),
    Flag("shard", "with --run: copy only the images of the shard I of N, from 1/N to N/N; images that share a base are "
         "in one shard, and an image is always in the same", value="I/N", read=_shard, group="plan"),
)  # fmt: skip
# What is in a plan: to be given when it is made.
IN_PLAN = (
    "src", "dest", "scoped", "append-suffix", "all", "platform", "os-version", "os-feature", "select-annotation",
    "include", "exclude", "semver", "latest", "include-repository", "exclude-repository", "map", "format",
    "preserve-digests", "remove-signatures", "remove-list-signatures", "max-inflated", "referrers", "cosign-tags",
    "require-referrer", "plan", "since",
)  # fmt: skip
# What is done when a plan is run.
AT_RUN = (
    "dry-run", "digestfile", "report", "metrics", "sign-by", "sign-by-sq-fingerprint", "sign-by-sigstore",
    "sign-by-sigstore-private-key",
)  # fmt: skip
# What needs a listing of the source at the time of the run.
NOT_PLANNED = ("delete", "max-delete", "watch")


def check_plan_flags(parsed: Parsed) -> None:
    """Raise `UsageError` for flags that do not go together."""
    for name in ("plan", "run"):
        if name in parsed.given and parsed.path(name) is None:
            raise UsageError(f"--{name}: want the name of a file, or -")
    for name, needed in (("since", "plan"), ("shard", "run")):
        if name in parsed.given and needed not in parsed.given:
            raise UsageError(f"--{name} needs --{needed}")
    for kinds, names, reason in (
        (("run",), IN_PLAN, "what is copied, and how, is in the plan"),
        (("plan",), AT_RUN, "nothing is copied; give it to --run"),
        (("plan", "run"), NOT_PLANNED, "a plan is of what is copied only"),
    ):
        kind, name = _first(parsed, kinds), _first(parsed, names)
        if kind and name:
            raise UsageError(f"--{name} and --{kind} exclude each other: {reason}")


def _first(parsed: Parsed, names: Iterable[str]) -> str:
    """Return the first of these flags that is given, "" for none."""
    return next((name for name in names if name in parsed.given), "")


def plan_source(parsed: Parsed) -> PlanSource | None:
    """Open the plan of ``--run``, None without it; raises what reading it raises."""
    path = parsed.path("run")
    if path is None:
        return None
    from ..syncing.plan_source import PlanSource

    given = sys.stdin.buffer if str(path) == "-" else None
    return PlanSource(path, given, parsed.path("tmpdir"))


def chosen_shard(parsed: Parsed) -> Shard | None:
    """Return the shard of ``--shard``, None without it."""
    if "shard" not in parsed.given:
        return None
    from ..syncing.shards import Shard

    return parsed.get("shard", Shard)
