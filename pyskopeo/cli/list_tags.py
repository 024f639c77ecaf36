"""``pyskopeo list-tags``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..api.repositories import list_tags, parse_tag_source
from ..errors import IncompleteTags, PyskopeoError
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps
from ..model.reference import Reference
from ..model.tag_filter import TagFilter
from .access_options import AUTHFILE, AccessOptions, registry_flags
from .command import Command
from .flags import Parsed
from .logged_events import warnings_only
from .main import supervise
from .network_options import NETWORK
from .preconnect import visits_of
from .regex_timeout import bounded
from .tag_flags import FILTERS, sort_flag, tag_filter

if TYPE_CHECKING:
    from ..access import Access

_Result: TypeAlias = "list[str] | PyskopeoError"  # the tags, or why not all of them can be read
_AT_ONCE = 16  # of several repositories
_FLAGS = (
    AUTHFILE,
    *registry_flags(),
    *NETWORK,
    *FILTERS,
    sort_flag("registry"),
)


@dataclass(frozen=True, slots=True)
class TagSource:
    """What to list the tags of: a repository, or an archive; ``name`` is as it was given."""

    name: str
    place: Reference | Path

    def document(self, tags: Sequence[str]) -> dict[str, Any]:
        """Return the JSON document with the tags, which is skopeo's."""
        return {**({"Repository": self.place.name} if isinstance(self.place, Reference) else {}), "Tags": tags}


@dataclass(frozen=True, slots=True)
class ListTagsOptions:
    """The options of ``list-tags``.

    ``timeout`` limits the time of the requests and that of the filter for one source, each in seconds; 0: the default.
    """

    sources: tuple[TagSource, ...]
    filter: TagFilter
    access: AccessOptions
    timeout: float

    @classmethod
    def of(cls, parsed: Parsed) -> ListTagsOptions:
        """Read the options; raises `InvalidInput`."""
        sources = tuple(TagSource(name, parse_tag_source(name)) for name in parsed.arguments)
        return cls(sources, tag_filter(parsed), AccessOptions.of(parsed), parsed.get("command-timeout", float))

    def filtered(self, tags: Sequence[str]) -> list[str]:
        """Return the tags that are asked for, in their order; raises `InvalidInput` for an expression that takes long.

        To be called outside the event loop, which would not handle SIGINT while a regular expression is being matched.
        """
        with bounded("--filter", self.timeout):
            return self.filter.apply(tags)


def run(options: ListTagsOptions) -> int:
    """Print the tags as skopeo does; raises `IncompleteTags` after those of a list that may go on."""
    access = options.access.access(warnings_only)
    if len(options.sources) > 1:
        return _print_several(options, access)
    (source,) = options.sources
    incomplete: IncompleteTags | None = None
    try:
        tags = supervise(list_tags(source.name, access=access), options.timeout)
    except IncompleteTags as error:
        tags, incomplete = list(error.tags), error
    print(dumps(source.document(options.filtered(tags)), indent=4))
    if incomplete is not None:
        raise incomplete
    return 0


def _print_several(options: ListTagsOptions, access: Access) -> int:
    """Print a line for each source; returns 0, or the exit code of the first whose tags cannot all be read.

    Where the time is over, or the user ends the command, those are printed that were read before.
    """
    results: list[_Result | None] = [None] * len(options.sources)
    try:
        supervise(_read_several(options.sources, access, results), options.timeout)
    finally:
        exit_code = _print_known(options, results)
    return exit_code


def _print_known(options: ListTagsOptions, results: Sequence[_Result | None]) -> int:
    """Print a line for each source that has a result, and return the exit code of the first error."""
    from .log import log

    exit_code = 0
    for source, result in zip(options.sources, results, strict=True):
        if result is None:
            continue
        document: dict[str, Any] = {"Source": source.name}
        if not isinstance(result, PyskopeoError):
            document |= source.document(options.filtered(result))
        else:
            if isinstance(result, IncompleteTags):
                document |= source.document(options.filtered(result.tags))
            log("error", f"{source.name}: {result}")
            document["Error"] = str(result)
            exit_code = exit_code or result.exit_code
        print(dumps(document))
    sys.stdout.flush()
    return exit_code


async def _read_several(sources: Sequence[TagSource], access: Access, results: list[_Result | None]) -> None:
    """Put into ``results`` the tags of each source, or why not all can be read; the sources share connections."""
    from ..registry.sessions import sharing_connections
    from ..streams.concurrency import work_off

    async with sharing_connections(access) as shared:

        async def read(position: int) -> None:
            try:
                results[position] = await list_tags(sources[position].name, access=shared)
            except PyskopeoError as error:
                results[position] = error

        await work_off(range(len(sources)), read, at_once=_AT_ONCE)


COMMAND = Command(
    name="list-tags",
    arguments="SOURCE-IMAGE...",
    description=(
        'List the tags of the repository or the archive "SOURCE-IMAGE", which has no tag itself.\n'
        "A RANGE consists of =, !=, >, >=, <, <=, ~1.2 (that minor version), ^1.2 (that major version), 1.x\n"
        'and "1.2 - 2.3", joined by "," (and) and "||" (or). A pre-release matches where the range names one.\n\n'
        "Supported transports:\ndocker, docker-archive"
    ),
    beyond=(
        "Of several repositories each is a line of JSON, in the order of their names, which are in Source. One that\n"
        "cannot be listed has an Error, the others are printed all the same, and the exit code is that of the first\n"
        "error. Where --command-timeout ends it, those are printed that were read."
    ),
    examples=(
        "pyskopeo list-tags docker://docker.io/fedora",
        "pyskopeo list-tags --semver '>= 1.25' --sort semver docker://docker.io/library/nginx",
        "pyskopeo list-tags --filter '-alpine$' docker://docker.io/library/nginx",
        "pyskopeo list-tags docker://docker.io/library/nginx docker://docker.io/library/redis",
    ),
    flags=_FLAGS,
    read=ListTagsOptions.of,
    run=run,
    visits=lambda options: visits_of(options.sources[0].name, options.access),
)
