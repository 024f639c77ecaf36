"""Which tags of a list, and in which order: decided without input or output."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .semver import Version, VersionRange

Order: TypeAlias = Literal["registry", "name", "semver"]
ORDERS: tuple[Order, ...] = ("registry", "name", "semver")


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Keeps tags that a regular expression is found in and that are versions in a range.

    An expression can be made to take for ever over one tag, as Python's can: it is the user's own,
    and whoever takes it from others has to bound its time.
    """

    pattern: re.Pattern[str] | None = None
    versions: VersionRange | None = None
    order: Order = "registry"

    @classmethod
    def parse(cls, pattern: str | None = None, versions: str | None = None, order: Order = "registry") -> TagFilter:
        """From what users write; raises `InvalidInput`. None asks for nothing."""
        try:
            compiled = None if pattern is None else re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise InvalidInput(f"invalid regular expression {ascii(pattern)[:200]}: {error}") from None
        return cls(compiled, None if versions is None else VersionRange.parse(versions), order)

    def apply(self, tags: Iterable[str]) -> list[str]:
        """The tags that are kept, in order.

        ``registry`` leaves the order as it is. ``semver`` has the newest version last, and what is
        no version first; ``name`` is also how equals are ordered.
        """
        kept = [tag for tag in tags if self._keeps(tag)]
        if self.order == "name":
            kept.sort()
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
    """The version a tag is; an archive's tags come with their repository."""
    return Version.parse(tag.rpartition(":")[2])


def _by_version(tag: str) -> tuple[bool, Version, str]:
    version = _version(tag)
    return version is not None, version or Version((0, 0, 0)), tag
