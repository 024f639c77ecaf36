"""Validation of the JSON objects of a policy; unknown members are errors, as in containers/image.

Which values may be null or empty is also as there. ``where`` is the path of a value within the policy,
such as ``default[0].keyPath``, "" for the whole document. The functions raise `InvalidInput`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InvalidInput

Reader = Callable[[object, str], Any]
_MAX_QUOTED = 200


def policy_error(problem: str, where: str, next_step: str = "") -> InvalidInput:
    """Return the error for a problem at ``where``; ``next_step`` is what to do about it."""
    text = f"{problem} in {where}" if where else problem
    return InvalidInput(f"{text}: {next_step}" if next_step else text)


def quoted(text: str) -> str:
    """Return ``text`` as an ASCII JSON string for an error message, cut after 200 characters."""
    shown = json.dumps(text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "...")
    return shown.replace("\x7f", "\\u007f")  # the one control character that JSON does not escape


def members(value: object, where: str) -> dict[str, Any]:
    """Return ``value``, which has to be an object."""
    if not isinstance(value, dict):
        raise policy_error("JSON object expected", where)
    return value


def fields(value: object, readers: Mapping[str, Reader], where: str, *, exact: bool = False) -> dict[str, Any]:
    """Validate the members of an object, each by its reader; with ``exact`` all of them are required."""
    found: dict[str, Any] = {}
    for name, content in members(value, where).items():
        if name not in readers:
            raise policy_error(f"Unknown key {quoted(name)}", where, f"want {', '.join(readers)}")
        found[name] = readers[name](content, f"{where}.{name}" if where else name)
    for name in readers if exact else ():
        if name not in found:
            raise policy_error(f"Key {quoted(name)} missing", where)
    return found


def type_name(value: object, where: str) -> str:
    """Return the ``type`` of an object, "" if there is none."""
    return "" if value is None else string(members(value, where).get("type"), f"{where}.type")


def string(value: object, where: str) -> str:
    """Return a string, "" for null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise policy_error("string expected", where)
    return value


def base64_data(value: object, where: str) -> bytes | None:
    """Decode bytes in base64, None for null."""
    if value is None:
        return None
    encoded = string(value, where).replace("\r", "").replace("\n", "")
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise policy_error("illegal base64 data", where) from None
    # b64decode() ignores excess padding, Go does not.
    if len(encoded) != (len(decoded) + 2) // 3 * 4:
        raise policy_error("illegal base64 data", where)
    return decoded


def strings(value: object, where: str) -> tuple[str, ...] | None:
    """Return an array of strings, None for null."""
    if value is None:
        return None
    return tuple(string(item, f"{where}[{i}]") for i, item in enumerate(_array(value, where)))


def base64_list(value: object, where: str) -> tuple[bytes, ...] | None:
    """Decode an array of bytes in base64, None for null."""
    if value is None:
        return None
    return tuple(base64_data(item, f"{where}[{i}]") or b"" for i, item in enumerate(_array(value, where)))


def _array(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise policy_error("array expected", where)
    return value
