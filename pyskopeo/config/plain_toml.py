"""Read the plain part of TOML that most files of registries consist of, without loading a parser for all of it.

``tomllib`` and what it loads take a twentieth of a short command. Machines that have a file at all usually have that of
the project shortnames, a table of some sixty or two hundred strings, and one with a list of registries.
"""

from __future__ import annotations

import re
from typing import Any

_LINE = re.compile(
    r"""[ \t]*(?:\[[ \t]*(?P<table>[A-Za-z0-9_-]+)[ \t]*\]|(?P<key>"[^"]*"|[A-Za-z0-9_-]+)[ \t]*=[ \t]*"""
    r"""(?P<value>"[^"]*"|\[(?:[ \t]*"[^"]*"[ \t]*,)*[ \t]*"[^"]*"[ \t]*\]|true|false))?[ \t]*(?:#.*)?"""
)
_BOOLEANS = {"true": True, "false": False}


def read_plain(text: str) -> dict[str, Any] | None:
    """Return what ``tomllib.loads`` does, or None for a text that needs it, as all do that are not valid.

    Known are tables with a simple name, and in a line each, strings of ASCII without escapes, lists of such, and
    true and false.
    """
    if not text.isascii() or "\\" in text or not text.replace("\n", "").replace("\t", "").isprintable():
        return None
    top: dict[str, Any] = {}
    table = top
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        name, key, value = match["table"], match["key"], match["value"]
        if name is not None:
            if name in top:
                return None
            table = top[name] = {}
        elif key is not None:
            key = key.strip('"')
            if key in table:
                return None
            table[key] = _value(value)
    return top


def _value(text: str) -> Any:
    if text.startswith("["):
        return text.split('"')[1::2]
    return text.strip('"') if text.startswith('"') else _BOOLEANS[text]
