"""Filtering and sorting of tag lists, for ``list-tags`` and ``sync``; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .semver import Version, VersionRange

Order: TypeAlias = Literal["registry", "name", "natural", "semver"]
"""The order of tags: as the registry lists them, by name, by name with numbers, or by version."""
ORDERS: tuple[Order, ...] = ("registry", "name", "natural", "semver")


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Selects tags by a regular expression, which may match anywhere, and by a version range.

    ``order`` is that of the result: ``registry`` (unchanged), ``name``, ``natural`` (as by name, but 1.10 comes after
    1.9) or ``semver``. The time that a
    regular expression takes is not limited here: do not use one from an untrusted source.
    """

    pattern: re.Pattern[str] | None = None
    versions: VersionRange | None = None
    order: Order = "registry"

    @classmethod
    def parse(cls, pattern: str | None = None, versions: str | None = None, order: Order = "registry") -> TagFilter:
        """Parse the options of a command line, of which None does not filter. Raises `InvalidInput`."""
        try:
            compiled = None if pattern is None else re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise InvalidInput(f"invalid regular expression {ascii(pattern)[:200]}: {error}") from None
        return cls(compiled, None if versions is None else VersionRange.parse(versions), order)

    def apply(self, tags: Iterable[str]) -> list[str]:
        """Return the selected tags in order.

        ``semver`` sorts the newest version last and tags that are no versions first, and equal ones by name.
        """
        kept = [tag for tag in tags if self._keeps(tag)]
        if self.order == "name":
            kept.sort()
        elif self.order == "natural":
            kept.sort(key=_by_numbers)
        elif self.order == "semver":
            kept.sort(key=_by_version)
        return kept

    def _keeps(self, tag: str) -> bool:
        if self.versions is not None:
            version = _version(tag)
            if version is None or version not in self.versions:
                return False
        return self.pattern is None or self.pattern.search(tag) is not None


def _version(tag: str) -> Version | None:
    """Return the version that a tag is, or None; tags of archives are ``repository:tag``."""
    return Version.parse(tag.rpartition(":")[2])


def _by_numbers(tag: str) -> tuple[list[tuple[str, int, str]], str]:
    """Return a key that orders texts as they are, and the numbers between them by their values."""
    parts = re.split("([0-9]+)", tag)
    numbers = [digits.lstrip("0") for digits in parts[1::2]]  # of any length: the longer one is the greater one
    keyed = [(text, len(digits), digits) for text, digits in zip(parts[::2], numbers, strict=False)]
    return [*keyed, (parts[-1], -1, "")], tag


def _by_version(tag: str) -> tuple[bool, Version, str]:
    version = _version(tag)
    return version is not None, version or Version((0, 0, 0)), tag
