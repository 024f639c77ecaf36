"""Select images by tag: regular expressions, version ranges, the newest tags; no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from ..model.semver import Version, VersionRange
from .newest_tags import newest_tags

T = TypeVar("T")

_POSIX_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_TOKEN = re.compile(r"\\Q(?P<quoted>.*?)(?:\\E|$)|\\(?P<escaped>.)|\[:(?P<posix>\^?[a-z]+):\]|(?P<other>.)", re.DOTALL)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""Compile a regular expression in RE2's syntax, as skopeo takes it; raises `InvalidInput`.

    Python's syntax contains nearly all of RE2's; ``\z``, ``\Q...\E`` and ``[[:digit:]]`` are translated. Matching may
    take exponential time, unlike in RE2: callers must bound it.
    """
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # FutureWarning: "[[" may become a nested set in a later Python
            return re.compile(_TOKEN.sub(_translate, pattern), re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInput(f"error parsing regexp: {error}: `{pattern[:200]}`") from None


def _translate(token: re.Match[str]) -> str:
    if token["quoted"] is not None:
        return re.escape(token["quoted"])
    if token["escaped"] is not None:
        return r"\Z" if token["escaped"] == "z" else token[0]
    if token["posix"] is not None:
        if token["posix"] not in _POSIX_CLASSES:
            raise re.error(f"no character class {token[0]}")
        return _POSIX_CLASSES[token["posix"]]
    return token[0]


def matching_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a predicate: whether a regular expression is found in a tag. Raises `InvalidInput`."""
    compiled = compile_pattern(pattern)
    return lambda tag: compiled.search(tag) is not None


def matching_versions(text: str) -> Callable[[str], bool]:
    """Return a predicate: whether a tag is a version within a range. Raises `InvalidInput`."""
    wanted = VersionRange.parse(text)
    return lambda tag: is_version_in(tag, wanted)


def is_version_in(tag: str, versions: VersionRange) -> bool:
    """Return whether a tag is a version within a range."""
    version = Version.parse(tag)
    return version is not None and version in versions


@dataclass(frozen=True, slots=True)
class TagSelection:
    r"""Which of the listed images to sync.

    Expressions are searched for in an image's tag and in its full name, ``host/repository:tag``: ``^1\.`` matches the
    beginning of a tag, ``/app:`` the end of a repository. At least one of ``include`` has to match, if there are any,
    and none of ``exclude``. ``versions`` is a range that the tag has to be a version in, None for any tag. ``latest``
    is the number of versions to keep of each repository, 0 for all, see `newest_tags`; pre-releases that ``versions``
    includes count. Images without a tag are not counted and always kept by ``latest``.
    """

    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()
    latest: int = 0
    versions: VersionRange | None = None

    @classmethod
    def parse(
        cls, include: Sequence[str] = (), exclude: Sequence[str] = (), latest: int = 0, versions: str | None = None
    ) -> TagSelection:
        """Parse the values of ``--include``, ``--exclude``, ``--latest`` and ``--semver``; raises `InvalidInput`."""
        if latest < 0:
            raise InvalidInput(f"{latest} newest versions are too few: want at least 1")
        return cls(
            tuple(map(compile_pattern, include)),
            tuple(map(compile_pattern, exclude)),
            latest,
            None if versions is None else VersionRange.parse(versions),
        )

    @property
    def flags(self) -> str:
        """The names of the command-line flags for the parts that leave images out by their names, for messages."""
        given = {"--include": self.include, "--exclude": self.exclude, "--semver": self.versions}
        return " with ".join(name for name, value in given.items() if value)

    def apply(self, found: Sequence[T], name: Callable[[T], tuple[str, str]]) -> list[T]:
        """Return the selected items of ``found``, in order; ``name`` returns an item's repository and tag, or ""."""
        kept = [one for one in found if self._matches(*name(one))]
        if not self.latest:
            return kept
        tags: dict[str, set[str]] = {}
        for one in kept:
            repository, tag = name(one)
            if tag:
                tags.setdefault(repository, set()).add(tag)
        early = self.versions is not None  # a range leaves out pre-releases, unless it names one
        newest = {repository: newest_tags(known, self.latest, pre_releases=early) for repository, known in tags.items()}
        return [one for one in kept if not name(one)[1] or name(one)[1] in newest[name(one)[0]]]

    def _matches(self, repository: str, tag: str) -> bool:
        if self.versions is not None and not is_version_in(tag, self.versions):
            return False
        texts = (tag, f"{repository}:{tag}") if tag else (repository,)
        if self.include and not any(_found_in_any(pattern, texts) for pattern in self.include):
            return False
        return not any(_found_in_any(pattern, texts) for pattern in self.exclude)


ALL_TAGS = TagSelection()


def _found_in_any(pattern: re.Pattern[str], texts: Sequence[str]) -> bool:
    return any(pattern.search(text) is not None for text in texts)
