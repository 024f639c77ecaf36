"""``pyskopeo list-tags``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..api.repositories import list_tags, parse_tag_source
from ..errors import IncompleteTags
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps
from ..model.reference import Reference
from ..model.tag_filter import TagFilter
from .access_options import AUTHFILE, AccessOptions, registry_flags
from .command import Command
from .flags import Parsed
from .main import supervise
from .network_options import NETWORK
from .preconnect import visits_of
from .progress import warnings_only
from .regex_timeout import bounded
from .tag_flags import FILTERS, sort_flag, tag_filter

_FLAGS = (
    AUTHFILE,
    *registry_flags(),
    *NETWORK,
    *FILTERS,
    sort_flag("registry"),
)


@dataclass(frozen=True, slots=True)
class ListTagsOptions:
    """The options of ``list-tags``.

    ``place`` is what ``name`` stands for, a repository or an archive. ``timeout`` limits the time of
    the request and that of the filter, each in seconds; 0: the default.
    """

    name: str
    place: Reference | Path
    filter: TagFilter
    access: AccessOptions
    timeout: float

    @classmethod
    def of(cls, parsed: Parsed) -> ListTagsOptions:
        """Read the options; raises `InvalidInput`."""
        (name,) = parsed.arguments
        place = parse_tag_source(name)
        return cls(name, place, tag_filter(parsed), AccessOptions.of(parsed), parsed.get("command-timeout", float))


def run(options: ListTagsOptions) -> int:
    """Print the tags as skopeo does; raises `IncompleteTags` after those of a list that may go on."""
    incomplete: IncompleteTags | None = None
    try:
        tags = supervise(list_tags(options.name, access=options.access.access(warnings_only)), options.timeout)
    except IncompleteTags as error:
        tags, incomplete = list(error.tags), error
    # Outside the event loop, which would not handle SIGINT while a regular expression is being matched.
    with bounded("--filter", options.timeout):
        tags = options.filter.apply(tags)
    document: dict[str, Any] = {"Repository": options.place.name} if isinstance(options.place, Reference) else {}
    print(dumps({**document, "Tags": tags}, indent=4))
    if incomplete is not None:
        raise incomplete
    return 0


COMMAND = Command(
    name="list-tags",
    arguments="SOURCE-IMAGE",
    description=(
        'List the tags of the repository or the archive "SOURCE-IMAGE", which has no tag itself.\n'
        "A RANGE consists of =, !=, >, >=, <, <=, ~1.2 (that minor version), ^1.2 (that major version), 1.x\n"
        'and "1.2 - 2.3", joined by "," (and) and "||" (or). A pre-release matches where the range names one.\n\n'
        "Supported transports:\ndocker, docker-archive"
    ),
    examples=(
        "pyskopeo list-tags docker://docker.io/fedora",
        "pyskopeo list-tags --semver '>= 1.25' --sort semver docker://docker.io/library/nginx",
        "pyskopeo list-tags --filter '-alpine$' docker://docker.io/library/nginx",
    ),
    flags=_FLAGS,
    read=ListTagsOptions.of,
    run=run,
    visits=lambda options: visits_of(options.name, options.access),
)
