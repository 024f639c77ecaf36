"""JSON as Go's structs read and write it: fields in their order, names of any case, empty ones left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..errors import InvalidContent
from .go_json import sorted_map
from .go_time import GoTime

Reader: TypeAlias = Callable[[Any, str], Any]
NULL: Any = object()
# Field: how its value is read, and what is written when there is none (None: nothing).
Fields: TypeAlias = "dict[str, tuple[Reader, Any]]"


def text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise wrong(where, "a string")
    return value


def boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(where, "true or false")
    return value


def time(value: Any, where: str) -> str:
    try:
        return GoTime.parse(text(value, where)).rfc3339()
    except InvalidContent as error:
        raise InvalidContent(f"image configuration: {where}: {error}") from None


def texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list):
        raise wrong(where, "a list")
    return ["" if entry is None else text(entry, where) for entry in value]


def text_map(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise wrong(where, "an object")
    return sorted_map(
        {text(name, where): "" if entry is None else text(entry, where) for name, entry in value.items()}
    )


def string_set(value: Any, where: str) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict) or not all(entry is None or isinstance(entry, dict) for entry in value.values()):
        raise wrong(where, "an object of objects")
    return sorted_map({text(name, where): {} for name in value})


def list_of(fields: Fields) -> Reader:
    read = struct(fields)

    def reader(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise wrong(where, "a list")
        return [read({} if entry is None else entry, where) for entry in value]

    return reader


def struct(fields: Fields) -> Reader:
    """A Go struct: its fields in order, those marked as omitted when empty left out."""
    by_name = {name.lower(): name for name in fields}

    def reader(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong(where or "image configuration", "an object")
        found: dict[str, Any] = {}
        for key, entry in value.items():
            name = key if key in fields else by_name.get(key.lower())
            if name is not None and entry is not None:
                found[name] = fields[name][0](entry, f"{where}.{name}" if where else name)
        # A struct is never empty in Go's eyes, everything else is left out when it is.
        written = {}
        for name, (_, default) in fields.items():
            read = found.get(name, default)
            if read or default is not None:
                written[name] = None if read is NULL else read
        return written

    return reader


def wrong(where: str, wanted: str) -> InvalidContent:
    return InvalidContent(f"image configuration: {where} is not {wanted}")
