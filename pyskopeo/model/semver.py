"""Semantic versions in tags (semver.org 2.0.0), and version ranges.

The syntax of ranges is that of ``images-by-semver`` in skopeo-sync(1), which is Masterminds/semver 3.4:
``>= 1.2, < 3``, ``^1.2``, ``~1.2.3``, ``1.x``, ``1.2 - 2.3``, and alternatives separated by ``||``. A
pre-release matches an alternative only if a version within that alternative is a pre-release too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from functools import total_ordering
from typing import TypeAlias

from ..errors import InvalidInput
from ..fast_dataclass import dataclass

_SUFFIX = r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
_VERSION = re.compile(rf"v?(?P<numbers>[0-9]+(?:\.[0-9]+){{0,2}}){_SUFFIX}", re.ASCII)
_PART = r"(?:[0-9]+|[xX*])"
_WRITTEN = rf"v?{_PART}(?:\.{_PART}){{0,2}}{_SUFFIX.replace('(?P<pre>', '(?:')}"
_CONSTRAINT = re.compile(
    r"(?P<operator>!=|>=|=>|<=|=<|~>|[=<>~^]?)\s*"
    rf"v?(?P<parts>{_PART}(?:\.{_PART}){{0,2}}){_SUFFIX}(?=[\s,]|$)",
    re.ASCII,
)
_SEPARATOR = re.compile(r"\s*,\s*|\s+", re.ASCII)
_SPAN = re.compile(rf"({_WRITTEN})\s+-\s+({_WRITTEN})(?=[\s,|]|$)", re.ASCII)
_MAX_LENGTH = 1000

_Identifier: TypeAlias = tuple[int, int, str]


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A version: ``release`` are its three numbers, ``pre`` the identifiers of a pre-release.

    Build metadata is dropped, since precedence ignores it.
    """

    release: tuple[int, int, int]
    pre: tuple[_Identifier, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Parse a version such as ``1.2.3``, ``v1.2`` or ``1-rc.1``; returns None if it is not one.

        Missing numbers are 0 and leading zeros of numbers are ignored, since tags have both.
        """
        found = _VERSION.fullmatch(text)
        if found is None:
            return None
        pre = found["pre"]
        if pre and any(part.isdigit() and len(part) > 1 and part[0] == "0" for part in pre.split(".")):
            return None
        return cls(_release(found["numbers"].split(".")), _identifiers(pre))

    @property
    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[_Identifier, ...]]:
        # Section 11: a pre-release precedes its release, fewer identifiers precede more.
        return self.release, not self.pre, self.pre

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _release(numbers: list[str]) -> tuple[int, int, int]:
    major, minor, patch = ([int(number) for number in numbers] + [0, 0])[:3]
    return major, minor, patch


def _identifiers(pre: str | None) -> tuple[_Identifier, ...]:
    """Return identifiers in a form that compares by precedence: numbers by value, before words (section 11.4)."""
    parts = pre.split(".") if pre else []
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


@dataclass(frozen=True, slots=True)
class _Constraint:
    """A comparison; only the first ``parts`` numbers of ``floor`` were given, the others match any number."""

    operator: str
    floor: Version
    parts: int

    def allows(self, version: Version) -> bool:
        return _OPERATORS[self.operator](self, version)

    def same(self, version: Version, count: int) -> bool:
        return version.release[:count] == self.floor.release[:count]


def _equal(wanted: _Constraint, version: Version) -> bool:
    return version == wanted.floor if wanted.parts == 3 else _tilde(wanted, version)


def _unequal(wanted: _Constraint, version: Version) -> bool:
    if wanted.parts == 3:
        return version != wanted.floor
    return not wanted.same(version, wanted.parts) or (wanted.parts == 2 and version.pre != wanted.floor.pre)


def _greater(wanted: _Constraint, version: Version) -> bool:
    """Return whether ``version`` is greater; the least that ``> 1.2`` matches is 1.3.0."""
    if wanted.parts == 3:
        return version > wanted.floor
    return version.release[: wanted.parts] > wanted.floor.release[: wanted.parts]


def _at_most(wanted: _Constraint, version: Version) -> bool:
    """Return whether ``version`` is less or equal; ``<= 1.2`` matches anything below 1.3.0."""
    if wanted.parts == 3:
        return version <= wanted.floor
    return version.release[: wanted.parts] <= wanted.floor.release[: wanted.parts]


def _tilde(wanted: _Constraint, version: Version) -> bool:
    """Return whether ``version`` is at least ``floor``, of the same minor version, or of the same major one."""
    any_version = wanted.parts == 3 and wanted.floor.release == (0, 0, 0)  # so Masterminds/semver reads ~0.0.0
    return version >= wanted.floor and (any_version or wanted.same(version, min(wanted.parts, 2)))


def _caret(wanted: _Constraint, version: Version) -> bool:
    """Return whether ``version`` is at least ``floor`` and has the same first non-zero number."""
    major, minor, _ = wanted.floor.release
    fixed = 1 if major or wanted.parts == 1 else 2 if minor or wanted.parts == 2 else wanted.parts
    return version >= wanted.floor and wanted.same(version, fixed)


_OPERATORS: dict[str, Callable[[_Constraint, Version], bool]] = {
    "": _equal,
    "=": _equal,
    "!=": _unequal,
    ">": _greater,
    "<": lambda wanted, version: version < wanted.floor,
    ">=": lambda wanted, version: version >= wanted.floor,
    "=>": lambda wanted, version: version >= wanted.floor,
    "<=": _at_most,
    "=<": _at_most,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}


@dataclass(frozen=True, slots=True)
class VersionRange:
    """A version range; ``text`` is its source."""

    text: str
    _groups: tuple[tuple[_Constraint, ...], ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> VersionRange:
        """Parse a range; raises `InvalidInput`. An empty one matches every release."""
        groups = _SPAN.sub(r">=\1,<=\2", text[:_MAX_LENGTH]).split("||")
        if len(text) > _MAX_LENGTH:
            raise InvalidInput(f"version range of {len(text)} characters: want at most {_MAX_LENGTH}")
        return cls(text, tuple(_group(group.strip(), text) for group in groups))

    def __contains__(self, version: Version) -> bool:
        return any(_matches(group, version) for group in self._groups)


def _matches(group: tuple[_Constraint, ...], version: Version) -> bool:
    if version.pre and not any(constraint.floor.pre for constraint in group):
        return False
    return all(constraint.allows(version) for constraint in group)


def _group(text: str, whole: str) -> tuple[_Constraint, ...]:
    """Parse the constraints of one alternative, separated by commas or spaces."""
    found: list[_Constraint] = []
    position = 0
    while position < len(text):
        match = _CONSTRAINT.match(text, position)
        constraint = _constraint(match) if match else None
        if match is None or constraint is None:
            raise InvalidInput(
                f"version range {ascii(whole)[:200]} cannot be understood at {ascii(text[position:])[:60]}: "
                f'want comparisons as in ">= 1.2, < 3 || ^4.1"'
            )
        found.append(constraint)
        separator = _SEPARATOR.match(text, match.end())
        position = separator.end() if separator and separator.end() < len(text) else match.end()
    return tuple(found)


def _constraint(match: re.Match[str]) -> _Constraint | None:
    """Return the constraint, or None for an invalid pre-release."""
    written: list[str] = []
    for part in match["parts"].split("."):
        if not part.isdigit():
            break
        written.append(part)
    pre = f"-{match['pre']}" if match["pre"] else ""
    floor = Version.parse(".".join([*written, *["0"] * (3 - len(written))]) + pre)
    return None if floor is None else _Constraint(match["operator"], floor, len(written))
