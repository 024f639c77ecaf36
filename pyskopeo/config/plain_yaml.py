"""Read the simplest kind of YAML without a parser for all of it, which takes 15 ms to load.

Such are the files in ``registries.d`` that come with distributions: mappings by indentation, of names to URLs and
booleans, and comments. Whatever else a file has, it is not read here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .untyped_yaml import Untyped

_KEY = r"[A-Za-z][A-Za-z0-9._-]*(?::[0-9]+)?(?:/[a-z0-9._-]+)*"
_VALUE = r"(?:https?|file)://[A-Za-z0-9._~/%-]+(?::[0-9]+(?:/[A-Za-z0-9._~/%-]*)?)?|true|false"
_NOT_NAMES = frozenset({"null", "Null", "NULL"})


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return those of an empty line and of another one; most users have no such file."""
    return re.compile(r" *(?:#[ -~]*)?"), re.compile(rf"( *)({_KEY}):(?: +({_VALUE}))? *(?: #[ -~]*)?")


def parse_plain(text: str) -> dict[str, Untyped] | None:
    """Return the mapping in ``text``, with scalars as their text and None for empty values; None if it is not plain."""
    blank, filled = _patterns()
    root: dict[str, Untyped] = {}
    open_mappings: list[tuple[int, dict[str, Untyped]]] = [(0, root)]  # with the indentation of their keys
    pending: tuple[dict[str, Untyped], str, int] | None = None
    for line in text.split("\n"):
        if blank.fullmatch(line):
            continue
        found = filled.fullmatch(line)
        if found is None or found[2] in _NOT_NAMES:
            return None
        indentation, key, value = len(found[1]), found[2], found[3]
        if pending is not None and indentation > pending[2]:
            inner: dict[str, Untyped] = {}
            pending[0][pending[1]] = inner
            open_mappings.append((indentation, inner))
        while open_mappings and open_mappings[-1][0] != indentation:
            open_mappings.pop()
        if not open_mappings or key in open_mappings[-1][1]:
            return None
        mapping = open_mappings[-1][1]
        mapping[key] = value
        pending = (mapping, key, indentation) if value is None else None
    return root
