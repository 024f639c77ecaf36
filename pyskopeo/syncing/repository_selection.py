"""Select repositories of a registry by their names; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from ..model.reference import DOCKER_HUB, HUB_API, is_registry, is_repository
from .tag_selection import compile_pattern


@dataclass(frozen=True, slots=True)
class RepositorySelection:
    """Which of the listed repositories are wanted.

    Expressions are searched for in a repository's name without the registry, ``team/app``. At least one of ``include``
    has to match, if there are any, and none of ``exclude``.
    """

    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def parse(cls, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> RepositorySelection:
        """Parse expressions in RE2's syntax, see `compile_pattern`; raises `InvalidInput`."""
        return cls(tuple(map(compile_pattern, include)), tuple(map(compile_pattern, exclude)))

    def apply(self, names: Iterable[str]) -> list[str]:
        """Return the selected names, in order. Matching may take exponential time: callers must bound it."""
        return [name for name in names if name in self]

    def __contains__(self, name: str) -> bool:
        if self.include and not any(pattern.search(name) for pattern in self.include):
            return False
        return not any(pattern.search(name) for pattern in self.exclude)

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)


ALL_REPOSITORIES = RepositorySelection()


def parse_registry_source(text: str) -> tuple[str, str]:
    """Return the registry of ``HOST[:PORT][/PATH]`` and the path, "" for the whole registry; raises `InvalidName`."""
    host, slash, path = text.removesuffix("/").partition("/")
    if not is_registry(host) or (slash and not is_repository(path)):
        raise InvalidName(f"{ascii(text)[1:-1][:400]} is no registry: want HOST, HOST:PORT or HOST/PATH, without a tag")
    return (DOCKER_HUB if host in ("index.docker.io", HUB_API) else host), path


def repositories_below(names: Iterable[str], path: str) -> list[str]:
    """Return the names that are ``path`` or below it; all if ``path`` is empty."""
    return [name for name in names if not path or name == path or name.startswith(f"{path}/")]
