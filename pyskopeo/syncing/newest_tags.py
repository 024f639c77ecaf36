"""Choose the tags of the newest versions of a repository; no I/O.

Tags spell one version in several ways: ``1.29.0``, ``v1.29.0``, ``1.29.0-alpine``, and ``1.29`` or ``1`` while it is
the newest of its line. A suffix is a pre-release only if it begins with a word that is used for them, such as ``rc``;
any other, such as ``alpine``, names a variant of the release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from ..fast_dataclass import dataclass
from ..model.semver import Version

_TAG = re.compile(r"v?(?P<numbers>[0-9]+(?:\.[0-9]+)*)(?P<suffix>.*)", re.ASCII | re.DOTALL)
_PRE_RELEASE = re.compile(
    r"-(?P<word>alpha|beta|rc|cr|pre|preview|dev|snapshot|nightly|canary|ea|[abm](?=[0-9]))(?![a-z])[.-]?"
    r"(?P<numbers>[0-9]+(?:\.[0-9]+)*)?(?![a-z0-9])",
    re.ASCII | re.IGNORECASE,
)

_PreRelease: TypeAlias = tuple[str, tuple[int, ...]]
_Release: TypeAlias = tuple[tuple[int, int, int], bool, _PreRelease]


@dataclass(frozen=True, slots=True)
class _Spelling:
    """A tag that is a version. ``parts`` is the number of its numbers, ``variant`` what follows the version."""

    tag: str
    version: Version
    parts: int
    pre: _PreRelease | None
    variant: str

    @classmethod
    def parse(cls, tag: str) -> _Spelling | None:
        """Return the spelling, None for a tag that is no version."""
        version, found = Version.parse(tag), _TAG.fullmatch(tag)
        if version is None or found is None:
            return None
        parts, suffix = 1 + found["numbers"].count("."), found["suffix"]
        early = _PRE_RELEASE.match(suffix)
        if early is None:
            return cls(tag, version, parts, None, suffix)
        numbers = tuple(map(int, early["numbers"].split("."))) if early["numbers"] else ()
        return cls(tag, version, parts, (early["word"].lower(), numbers), suffix[early.end() :])

    @property
    def release(self) -> _Release:
        """The version without its variant, as a sort key."""
        return self.version.release, self.pre is None, self.pre or ("", ())

    @property
    def preference(self) -> tuple[bool, int, int, Version, str]:
        """A sort key of the spellings of one version: the tag to choose is the last."""
        return not self.variant, self.parts, -len(self.variant), self.version, self.tag


def newest_tags(tags: Iterable[str], count: int, *, pre_releases: bool = False) -> set[str]:
    """Return one tag for each of the ``count`` newest versions, without a variant if there is such a tag.

    Pre-releases are counted with ``pre_releases``, or if there is no release. If no tag is a version, they are the
    last ones in alphabetical order.
    """
    known = sorted(set(tags))
    spellings = [spelling for spelling in map(_Spelling.parse, known) if spelling is not None]
    if not spellings:
        return set(known[-count:])
    if not pre_releases:
        spellings = [spelling for spelling in spellings if spelling.pre is None] or spellings
    lines = {spelling.version.release[:parts] for spelling in spellings for parts in (1, 2) if parts < spelling.parts}
    chosen: dict[_Release, _Spelling] = {}
    for spelling in spellings:
        if spelling.version.release[: spelling.parts] in lines and spelling.parts < 3:
            continue  # the newest version of its line, which has a tag of its own
        other = chosen.get(spelling.release)
        if other is None or spelling.preference > other.preference:
            chosen[spelling.release] = spelling
    return {chosen[release].tag for release in sorted(chosen)[-count:]}
