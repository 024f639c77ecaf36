"""The flags that choose and order the tags of a repository."""

from __future__ import annotations

from ..fast_dataclass import dataclass
from ..model.tag_filter import ORDERS, Order, TagFilter
from .flags import Flag, Parsed

FILTERS = (
    Flag("filter", "list only tags that contain a match of REGEX (Python syntax)", value="REGEX", group="images"),
    Flag("semver", 'list only versions in RANGE, for example ">= 1.2, < 3 || ^4.1"', value="RANGE", group="images"),
)


@dataclass(frozen=True, slots=True)
class TagsOptions:
    """Which tags of a repository are listed, in which order, and whether with ``details``."""

    filter: TagFilter
    details: bool


def sort_flag(default: Order) -> Flag:
    """Return the flag for the order of tags."""
    return Flag("sort", f"order of the tags: {', '.join(ORDERS)} (newest last; default: {default})", value="ORDER",
                default=default, choices=ORDERS, group="output")  # fmt: skip


def tag_filter(parsed: Parsed) -> TagFilter:
    """Return what the flags ask for; raises `InvalidInput`."""
    order = next(order for order in ORDERS if order == parsed.get("sort", str))
    return TagFilter.parse(parsed.optional("filter", str), parsed.optional("semver", str), order)
