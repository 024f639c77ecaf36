"""JSON objects whose values are kept as text, like Go's ``map[string]json.RawMessage``."""

from __future__ import annotations

import json
import re

from ..gocompat.go_json import dumps
from .strict_json import CONFIG_LIMIT, parse_object

_SPACE = re.compile(r"[ \t\n\r]*")
# Matches strings, which are kept, and white space between tokens; takes linear time for any input.
_STRING_OR_SPACE = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\n\r]+', re.DOTALL)
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_TO_ESCAPE = re.compile("[<>&\u2028\u2029]")


def members(raw: bytes, what: str) -> dict[str, str]:
    """Return the members of a JSON object by name, each value as the text in ``raw``.

    Raises `InvalidContent` and `TooLarge`, as `parse_object`; ``what`` names the object in errors.
    """
    parse_object(raw, what, CONFIG_LIMIT)
    text = raw.decode("utf-8")
    decoder = json.JSONDecoder()
    found: dict[str, str] = {}
    position = _skip(text, text.index("{") + 1)
    while text[position] != "}":
        name, position = decoder.raw_decode(text, position)
        start = _skip(text, _skip(text, position) + 1)
        _, position = decoder.raw_decode(text, start)
        found[name] = text[start:position]
        position = _skip(text, position)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return found


def compact(text: str) -> str:
    """Return a JSON text without white space and with HTML characters escaped, as Go encodes a RawMessage."""
    dense = _STRING_OR_SPACE.sub(lambda match: match[0] if match[0][0] == '"' else "", text)
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], dense)


def write(fields: dict[str, str]) -> bytes:
    """Encode a JSON object whose values are JSON texts, with its names sorted, as Go encodes a map."""
    return ("{" + ",".join(f"{dumps(name)}:{fields[name]}" for name in sorted(fields)) + "}").encode()


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()
