"""The flags of the commands that verify and clean up images, layouts and the content store."""

from __future__ import annotations

from ..fast_dataclass import dataclass
from .flags import Flag, Parsed, boolean, byte_count

JSON = Flag("json", "print the result as JSON to standard output", read=boolean, default=False, group="output")
DRY_RUN = Flag("dry-run", "print what would be removed, without removing it", read=boolean, default=False,
               group="output")
SPARSE = Flag("sparse", "accept images of a list that are missing as a whole, as after a copy of one platform",
              read=boolean, default=False, group="images")  # fmt: skip
LAYERS = Flag("layers", "all, or none: accept layers that are missing, as after copy --layers none; those that are "
              "there are verified (default: all)", value="WHICH", default="all", choices=("all", "none"),
              group="trust")  # fmt: skip
VERIFYING = (
    Flag("deep", "decompress layers, and compare them with the diff IDs of the configuration", read=boolean,
         default=False, group="trust"),
    Flag("max-inflated", "with --deep: maximum size of all layers that are decompressed, in total, as in 500M or 20G "
         "(default: 16G, or 200 times their stored size if that is more)", value="SIZE", read=byte_count,
         group="trust"),
    Flag("quiet", "show no progress", short="q", read=boolean, default=False, group="output"),
    SPARSE,
    LAYERS,
    JSON,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VerifyFlags:
    """The values of `VERIFYING`. ``max_inflated`` is in bytes, None: the default. ``layers``: none may be missing."""

    deep: bool
    sparse: bool
    layers: bool
    max_inflated: int | None
    quiet: bool
    json: bool

    @classmethod
    def of(cls, parsed: Parsed) -> VerifyFlags:
        """Read the flags."""
        deep, sparse, quiet, json = (parsed.get(name, bool) for name in ("deep", "sparse", "quiet", "json"))
        return cls(deep, sparse, parsed.get("layers", str) == "all", parsed.optional("max-inflated", int), quiet, json)
