"""``pyskopeo list-tags``."""

from __future__ import annotations

from typing import Any

from ..api.repositories import list_tags, parse_tag_source
from ..gocompat.go_json import dumps
from ..model.reference import Reference
from ..model.tag_filter import ORDERS, TagFilter
from .command import Command
from .flags import Flag, Parsed
from .options import AUTHFILE, NETWORK, access, registry_flags
from .progress import warnings_only
from .regex_timeout import bounded
from .supervision import run_async

_FLAGS = (
    AUTHFILE,
    *registry_flags(""),
    *NETWORK,
    Flag("filter", "only tags in which the regular expression is found (Python's syntax)", value="REGEX"),
    Flag("semver", 'only tags that are versions in RANGE, such as ">= 1.2, < 3 || ^4.1"', value="RANGE"),
    Flag("sort", f"the order: {', '.join(ORDERS)} (newest last); default registry", value="ORDER",
         default="registry", choices=ORDERS),
)  # fmt: skip


def run(parsed: Parsed) -> int:
    """Print the tags as skopeo does."""
    (name,) = parsed.arguments
    place = parse_tag_source(name)
    wanted = TagFilter.parse(parsed["filter"], parsed["semver"], parsed["sort"])
    reaching = access(parsed, "", warnings_only)
    tags: list[str] = []

    async def work() -> int:
        tags.extend(await list_tags(name, access=reaching))
        return 0

    run_async(work, parsed["command-timeout"])
    # Not in the event loop, which would not see Ctrl-C while an expression is being looked for.
    with bounded("--filter", parsed["command-timeout"]):
        tags = wanted.apply(tags)
    document: dict[str, Any] = {"Repository": place.name} if isinstance(place, Reference) else {}
    print(dumps({**document, "Tags": tags}, indent=4))
    return 0



COMMAND = Command(
    name="list-tags",
    arguments="SOURCE-IMAGE",
    description=(
        'Return the list of tags from the transport/repository "SOURCE-IMAGE", which has no tag itself.\n'
        "--semver takes =, !=, >, >=, <, <=, ~1.2 (that minor version), ^1.2 (that major version), 1.x and\n"
        '"1.2 - 2.3", joined by "," and "||"; pre-releases count where the range names one.\n\n'
        "Supported transports:\ndocker, docker-archive"
    ),
    examples=(
        "pyskopeo list-tags docker://docker.io/fedora",
        "pyskopeo list-tags --semver '>= 1.25' --sort semver docker://docker.io/library/nginx",
        "pyskopeo list-tags --filter '-alpine$' docker://docker.io/library/nginx",
    ),
    flags=_FLAGS,
    run=run,
)
