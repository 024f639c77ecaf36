"""Reading the objects of a policy: an unknown member, a missing one or a wrong type is an error.

What may be ``null`` and what may be empty is as in containers/image, whose files these are.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InvalidInput

Reader = Callable[[object, str], Any]
_SHOWN = 200


def wrong(problem: str, where: str) -> InvalidInput:
    """The error for ``problem`` at ``where``, a path such as ``default[0].keyPath``; empty is the whole."""
    return InvalidInput(f"{problem} in {where}" if where else problem)


def quoted(text: str) -> str:
    """``text`` in double quotes, safe for one line of any terminal, cut where it gets long."""
    return json.dumps(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def members(value: object, where: str) -> dict[str, Any]:
    """``value``, which must be an object; raises `InvalidInput`."""
    if not isinstance(value, dict):
        raise wrong("JSON object expected", where)
    return value


def fields(value: object, readers: Mapping[str, Reader], where: str, *, exact: bool = False) -> dict[str, Any]:
    """Read the members of an object, each by its reader; with ``exact`` none may be missing.

    Raises `InvalidInput`.
    """
    found: dict[str, Any] = {}
    for name, content in members(value, where).items():
        if name not in readers:
            raise wrong(f"Unknown key {quoted(name)}", where)
        found[name] = readers[name](content, f"{where}.{name}" if where else name)
    for name in readers if exact else ():
        if name not in found:
            raise wrong(f"Key {quoted(name)} missing", where)
    return found


def kind(value: object, where: str) -> str:
    """The ``type`` of an object, "" where there is none; raises `InvalidInput`."""
    return "" if value is None else text(members(value, where).get("type"), f"{where}.type")


def text(value: object, where: str) -> str:
    """A string; ``null`` is an empty one. Raises `InvalidInput`."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong("string expected", where)
    return value


def data(value: object, where: str) -> bytes | None:
    """Bytes in base64, None for ``null``; raises `InvalidInput`."""
    if value is None:
        return None
    encoded = text(value, where).replace("\r", "").replace("\n", "")
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise wrong("illegal base64 data", where) from None
    # The decoder overlooks padding where none belongs.
    if len(encoded) != (len(decoded) + 2) // 3 * 4:
        raise wrong("illegal base64 data", where)
    return decoded


def texts(value: object, where: str) -> tuple[str, ...] | None:
    """An array of strings, None for ``null``; raises `InvalidInput`."""
    return None if value is None else tuple(text(item, f"{where}[{i}]") for i, item in enumerate(_array(value, where)))


def datas(value: object, where: str) -> tuple[bytes, ...] | None:
    """An array of `data`, None for ``null``; raises `InvalidInput`."""
    if value is None:
        return None
    return tuple(data(item, f"{where}[{i}]") or b"" for i, item in enumerate(_array(value, where)))


def _array(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong("array expected", where)
    return value
