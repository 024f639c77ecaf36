"""JSON objects decoded into and encoded from Go structs, as ``encoding/json`` does both.

Names match in any case, unless two of them mean the same field; unknown fields are dropped, known ones are written in
the order of the struct, and empty ones with ``omitempty`` are left out. A struct is described by a `Fields` table;
each of the readers below checks one Go type. They raise `InvalidContent`, in which ``where`` names the value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..errors import InvalidContent
from .field_names import FieldNames
from .go_json import sorted_map
from .go_time import GoTime

Reader: TypeAlias = Callable[[Any, str], Any]
"""Checks and converts a decoded value; the second argument names it in errors."""

NULL: Any = object()
"""A default that is written as ``null``: a slice or map without ``omitempty`` that is nil."""

Fields: TypeAlias = "dict[str, tuple[Reader, Any]]"
"""By name: the reader of a field, and its default. A default of None means ``omitempty``."""


def string(value: Any, where: str) -> str:
    """Read a Go ``string``."""
    if not isinstance(value, str):
        raise wrong_type(where, "a string")
    return value


def boolean(value: Any, where: str) -> bool:
    """Read a Go ``bool``."""
    if not isinstance(value, bool):
        raise wrong_type(where, "true or false")
    return value


def time(value: Any, where: str) -> str:
    """Read a Go ``time.Time``, which is written again as RFC 3339 with the shortest fraction."""
    try:
        return GoTime.parse(string(value, where)).rfc3339()
    except InvalidContent as error:
        raise InvalidContent(f"image configuration: {where}: {error}") from None


def strings(value: Any, where: str) -> list[str]:
    """Read a Go ``[]string``; null elements are empty strings."""
    if not isinstance(value, list):
        raise wrong_type(where, "a list")
    return ["" if entry is None else string(entry, where) for entry in value]


def string_map(value: Any, where: str) -> dict[str, str]:
    """Read a Go ``map[string]string``; null values are empty strings."""
    if not isinstance(value, dict):
        raise wrong_type(where, "an object")
    return sorted_map(
        {string(name, where): "" if entry is None else string(entry, where) for name, entry in value.items()}
    )


def string_set(value: Any, where: str) -> dict[str, dict[str, str]]:
    """Read a Go ``map[string]struct{}``."""
    if not isinstance(value, dict) or not all(entry is None or isinstance(entry, dict) for entry in value.values()):
        raise wrong_type(where, "an object of objects")
    return sorted_map({string(name, where): {} for name in value})


def list_of(fields: Fields) -> Reader:
    """Return the reader of a Go slice of structs; null elements are empty structs."""
    read = struct(fields)

    def reader(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise wrong_type(where, "a list")
        return [read({} if entry is None else entry, where) for entry in value]

    return reader


def struct(fields: Fields) -> Reader:
    """Return the reader of a Go struct."""
    names = FieldNames.of(*fields)

    def reader(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong_type(where or "image configuration", "an object")
        found: dict[str, Any] = {}
        for name, entry in names.normalize(value, where or "image configuration").items():
            if name in fields and entry is not None:
                found[name] = fields[name][0](entry, f"{where}.{name}" if where else name)
        # ``omitempty`` never omits a struct; any other value it omits when it is empty.
        written = {}
        for name, (_, default) in fields.items():
            read = found.get(name, default)
            if read or default is not None:
                written[name] = None if read is NULL else read
        return written

    return reader


def wrong_type(where: str, wanted: str) -> InvalidContent:
    """Return the error for a value that is not ``wanted``, such as "a string"."""
    return InvalidContent(f"image configuration: {where} is not {wanted}")
