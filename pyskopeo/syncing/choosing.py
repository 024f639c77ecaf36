"""Which tags and which images are wanted: pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from ..model.semver import Version

T = TypeVar("T")

_POSIX_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_TOKEN = re.compile(r"\\Q(?P<quoted>.*?)(?:\\E|$)|\\(?P<escaped>.)|\[:(?P<posix>\^?[a-z]+):\]|(?P<other>.)", re.DOTALL)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""A regular expression as skopeo's users write them, in RE2's syntax; raises `InvalidInput`.

    Python's is nearly the same, and understands more; what is written otherwise there is rewritten:
    ``\z``, ``\Q...\E``, ``[[:digit:]]``. It may take for ever over some texts, so whoever uses it
    bounds its time.
    """
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sets in sets, which some day may mean something else
            return re.compile(_TOKEN.sub(_rewritten, pattern), re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidInput(f"error parsing regexp: {error}: `{pattern[:200]}`") from None


def _rewritten(token: re.Match[str]) -> str:
    if token["quoted"] is not None:
        return re.escape(token["quoted"])
    if token["escaped"] is not None:
        return r"\Z" if token["escaped"] == "z" else token[0]
    if token["posix"] is not None:
        if token["posix"] not in _POSIX_CLASSES:
            raise re.error(f"no character class {token[0]}")
        return _POSIX_CLASSES[token["posix"]]
    return token[0]


@dataclass(frozen=True, slots=True)
class Choice:
    r"""Which images of those there are.

    An expression is looked for in an image's tag and in its whole name, ``host/repository:tag``, so
    that ``^1\.`` begins a tag and ``/app:`` ends a repository. With ``include`` one of them has to be
    found, with ``exclude`` none. ``latest`` keeps so many tags of each repository: the newest
    versions, and where there are fewer versions, the last of the other tags by name. Digests stay.
    """

    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()
    latest: int = 0

    @classmethod
    def parse(cls, include: Sequence[str] = (), exclude: Sequence[str] = (), latest: int = 0) -> Choice:
        """From what users write; raises `InvalidInput`."""
        if latest < 0:
            raise InvalidInput(f"{latest} newest tags are too few: want at least 1")
        return cls(tuple(map(compile_pattern, include)), tuple(map(compile_pattern, exclude)), latest)

    def apply(self, found: Sequence[T], name: Callable[[T], tuple[str, str]]) -> list[T]:
        """What is kept of ``found``, in its order; ``name`` gives the repository and the tag, "" for none."""
        kept = [one for one in found if self._keeps(*name(one))]
        if not self.latest:
            return kept
        tags: dict[str, set[str]] = {}
        for one in kept:
            repository, tag = name(one)
            if tag:
                tags.setdefault(repository, set()).add(tag)
        newest = {repository: sorted(all_tags, key=_age)[-self.latest :] for repository, all_tags in tags.items()}
        return [one for one in kept if not name(one)[1] or name(one)[1] in newest[name(one)[0]]]

    def _keeps(self, repository: str, tag: str) -> bool:
        texts = (tag, f"{repository}:{tag}") if tag else (repository,)
        if self.include and not any(_found(pattern, texts) for pattern in self.include):
            return False
        return not any(_found(pattern, texts) for pattern in self.exclude)


EVERYTHING = Choice()


def _found(pattern: re.Pattern[str], texts: Sequence[str]) -> bool:
    return any(pattern.search(text) is not None for text in texts)


def _age(tag: str) -> tuple[bool, Version, str]:
    """Newest last; what is no version before all that is one."""
    version = Version.parse(tag)
    return version is not None, version or Version((0, 0, 0)), tag
