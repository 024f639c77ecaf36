"""Which files of an image are wanted, by patterns of their paths; no I/O.

``*``, ``?`` and ``[...]`` stand for characters other than a slash, ``**`` for any; a backslash before one of them for
the character itself. A pattern for a directory selects all that is in it.
"""

from __future__ import annotations

import re

from ..errors import InvalidInput, NotFound
from .overlay import View

_WILDCARD = re.compile(r"\\.|([*?\[])", re.DOTALL)


class PathSelection:
    """The files that match any of several patterns; all of them without a pattern."""

    def __init__(self, patterns: tuple[str, ...] = ()) -> None:
        """Raises `InvalidInput` for a pattern with ``..``, or that is not valid."""
        # By their texts: the path that a pattern without wildcards stands for, None for all others.
        self._patterns = {text: _literal(text) for text in map(_normalized, patterns)}
        if "" in self._patterns:
            self._patterns = {}
        self._compiled = {pattern: _compiled(pattern) for pattern in self._patterns}

    @property
    def everything(self) -> bool:
        """Whether all files are wanted."""
        return not self._patterns

    @property
    def literals(self) -> tuple[str, ...] | None:
        """The paths that are wanted, None if a pattern may match several."""
        literals = tuple(path for path in self._patterns.values() if path is not None)
        return literals if literals and len(literals) == len(self._patterns) else None

    def matches(self, path: str) -> bool:
        """Return whether a path is wanted by its name."""
        return self.everything or any(pattern.fullmatch(path) for pattern in self._compiled.values())

    def select(self, view: View) -> frozenset[str] | None:
        """Return the real paths of a view that are wanted, and of the symbolic links that lead to them; None: all.

        Raises `NotFound` for a pattern that matches none.
        """
        if self.everything:
            return None
        found: set[str] = set()
        matched: set[str] = set()
        for path, _ in view.walk():
            for text, pattern in self._compiled.items():
                if pattern.fullmatch(path):
                    found.add(path)
                    matched.add(text)
        for text, literal in self._patterns.items():
            if text not in matched:
                if literal is None:
                    raise NotFound(f"no file of this image matches {ascii(text)[:200]}")
                found |= _reached(view, literal)
        return frozenset(found)


def escaped(path: str) -> str:
    """Return the pattern that matches a path only."""
    return re.sub(r"([*?\[\\])", r"\\\1", path)


def _reached(view: View, path: str) -> set[str]:
    """Return what a path leads to by symbolic links between directories, with these links."""
    links, node = view.find(path)
    real = links[-1]
    below = {found for found, _ in view.walk() if found.startswith(f"{real}/")} if node.is_directory else set()
    return {*links, *below}


def _normalized(pattern: str) -> str:
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidInput(f"the path {pattern} leads out of its directory")
    return "/".join(parts)


def _literal(pattern: str) -> str | None:
    """Return the path that a pattern without wildcards stands for, else None."""
    if any(match[1] for match in _WILDCARD.finditer(pattern)):
        return None
    return re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(f"(?:{_translated(pattern)})(?:/.*)?", re.DOTALL)
    except re.error as error:
        raise InvalidInput(f"the pattern {pattern} is not valid: {error}") from None


def _translated(pattern: str) -> str:
    """Return a pattern as a regular expression."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            both = pattern.startswith("*", at)
            at += both
            parts.append(".*" if both else "[^/]*")
        elif character == "?":
            parts.append("[^/]")
        elif character == "[" and (end := pattern.find("]", at + 1)) > 0:
            inside = pattern[at:end].replace("\\", "\\\\").replace("[", "\\[")
            inside = f"^/{inside[1:]}" if inside[0] in "!^" else inside
            parts.append(f"[{inside}]")
            at = end + 1
        else:
            if character == "\\" and at < len(pattern):
                character = pattern[at]
                at += 1
            parts.append(re.escape(character))
    return "".join(parts)
