"""The flags for what of an image is copied, and whether local files are copied or linked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .flags import Flag, Parsed, UsageError, boolean

if TYPE_CHECKING:
    from ..access import Reuse

_REUSES = ("copy", "hardlink", "symlink", "reflink")

REUSE = Flag(
    "reuse", "what oci: and dir: destinations make of blobs that are files of a local source: " + ", ".join(_REUSES) +
    "; a copy where the file system cannot do that (default: copy)", value="HOW", default="copy", choices=_REUSES,
    group="destination",
)  # fmt: skip
LAYERS = Flag(
    "layers", "all, or none: copy manifests and configurations only, to oci: or oci-archive: (default: all)",
    value="WHICH", default="all", choices=("all", "none"), group="form",
)  # fmt: skip
PLAN_JSON = Flag("json", "print the result of --dry-run as JSON: all manifests and blobs, with sizes and places",
                 read=boolean, default=False, group="output")  # fmt: skip


def reuse(parsed: Parsed) -> Reuse:
    """Return the value of ``--reuse``."""
    return cast("Reuse", parsed.get("reuse", str))


def layers(parsed: Parsed) -> bool:
    """Return whether layers are copied."""
    return parsed.get("layers", str) == "all"


def plan_as_json(parsed: Parsed) -> bool:
    """Return whether a dry run prints JSON; raises `UsageError` for ``--json`` without ``--dry-run``."""
    as_json = parsed.get("json", bool)
    if as_json and not parsed.get("dry-run", bool):
        raise UsageError("--json prints the plan of a copy: it goes with --dry-run")
    return as_json
