"""``pyskopeo catalog``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, AccessOptions, registry_flags
from .command import Command
from .flags import Flag, Parsed, boolean
from .logged_events import warnings_only
from .main import supervise
from .network_options import NETWORK
from .regex_timeout import bounded

if TYPE_CHECKING:
    from ..syncing.repository_selection import RepositorySelection


@dataclass(frozen=True, slots=True)
class CatalogOptions:
    """The options of ``catalog``: ``path`` is the path that repositories are below, "" for all of ``registry``.

    ``timeout`` limits the time of the requests and that of the expressions, each in seconds; 0: the default.
    """

    registry: str
    path: str
    selection: RepositorySelection
    as_json: bool
    access: AccessOptions
    timeout: float

    @classmethod
    def of(cls, parsed: Parsed) -> CatalogOptions:
        """Read the options; raises `InvalidInput` and `InvalidName`."""
        from ..syncing.repository_selection import RepositorySelection, parse_registry_source

        registry, path = parse_registry_source(parsed.arguments[0].removeprefix("docker://"))
        return cls(
            registry,
            path,
            RepositorySelection.parse(parsed.repeated("include", str), parsed.repeated("exclude", str)),
            parsed.get("json", bool),
            AccessOptions.of(parsed),
            parsed.get("command-timeout", float),
        )


def run(options: CatalogOptions) -> int:
    """Print the names of the repositories, one a line in natural order, or as JSON."""
    from ..api.catalog import list_repositories
    from ..model.tag_filter import TagFilter
    from ..syncing.repository_selection import repositories_below

    access = options.access.access(warnings_only)
    every = supervise(list_repositories(options.registry, access=access), options.timeout)
    names = repositories_below(every, options.path)
    # Outside the event loop, which would not handle SIGINT while a regular expression is being matched.
    with bounded("--include and --exclude", options.timeout):
        names = options.selection.apply(names)
    names = TagFilter.parse(None, None, "natural").apply(names)
    if options.as_json:
        from .verification_view import print_json

        print_json({"registry": options.registry, "repositories": names})
        return 0
    for name in names:
        print(name)
    return 0


COMMAND = Command(
    name="catalog",
    arguments="REGISTRY",
    description=(
        "List the repositories of a registry, HOST[:PORT], or those below a path of it, HOST[:PORT]/PATH: one name\n"
        "a line, without the registry, in natural order.\n\n"
        "The list is no part of the distribution specification: many registries show it to administrators only,\n"
        "and Docker Hub and GHCR to nobody. It has what the login that is used may see."
    ),
    examples=(
        "pyskopeo catalog registry.example.com",
        "pyskopeo catalog --include '^team/' --exclude -cache$ registry.example.com",
        "pyskopeo catalog --json localhost:5000/team",
    ),
    flags=(
        AUTHFILE,
        *registry_flags(),
        *NETWORK,
        Flag("include", "list only repositories whose names contain a match of REGEX", value="REGEX", repeat=True,
             group="images"),
        Flag("exclude", "do not list repositories whose names contain a match of REGEX", value="REGEX", repeat=True,
             group="images"),
        Flag("json", "print JSON: the registry and an array of names", read=boolean, default=False, group="output"),
    ),
    read=CatalogOptions.of,
    run=run,
)
