"""The Go values that templates work on.

`str`, `bool`, `int`, `float` and `complex` represent Go's own types, `None` nil or a missing value. The
classes here represent what Python's types do not: static types, nil slices and maps, and the difference
between a struct and a map.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...fast_dataclass import dataclass
from ..go_json import sorted_map
from ..go_time import GoTime

ANY = "interface {}"
_EMPTY_STRUCT = "struct {}"
_SURROGATES = re.compile("[\ud800-\udfff]")
_ZEROS: dict[str, object] = {"string": "", "bool": False, "int": 0, "int64": 0, "uint8": 0, "float64": 0.0}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a `Struct`.

    ``type`` is its Go type, such as ``[]string``, ``map[string]string`` or ``*time.Time``, which determines
    what a ``value`` of None means; "" derives it from the value. ``json`` is the name in JSON, by default
    the field's own, and ``omitempty`` is as in Go. The fields of an ``embedded`` struct are promoted.
    """

    value: object
    type: str = ""
    json: str = ""
    omitempty: bool = False
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """A Go struct: ordered fields; using a field that it does not have is an error.

    ``name`` is the Go type, such as ``inspect.Output``. Values that are no `Field` are fields with defaults.
    """

    name: str
    fields: Mapping[str, object]

    def field(self, name: str) -> Field | None:
        """Return the field ``name``, also of an embedded struct, or None."""
        if name in self.fields:
            return _as_field(self.fields[name])
        for candidate in self.fields.values():
            if isinstance(candidate, Field) and candidate.embedded and isinstance(candidate.value, Struct):
                found = candidate.value.field(name)
                if found is not None:
                    return found
        return None

    def names(self) -> list[str]:
        """Return the names of all fields, in order, with those of embedded structs in the place of these."""
        found: list[str] = []
        for name, field in self.items():
            embedded = field.value if field.embedded else None
            found += embedded.names() if isinstance(embedded, Struct) else [name]
        return found

    def items(self) -> list[tuple[str, Field]]:
        """Return names and fields in order."""
        return [(name, _as_field(value)) for name, value in self.fields.items()]


@dataclass(frozen=True, slots=True)
class Slice:
    """A Go slice; ``element`` is the Go type of its elements, ``items`` is None for a nil slice."""

    element: str
    items: Sequence[object] | None

    def __len__(self) -> int:
        return len(self.items or ())

    def __getitem__(self, index: int) -> object:
        return to_go((self.items or ())[index], self.element)


@dataclass(frozen=True, slots=True)
class GoMap:
    """A Go map with string keys; ``element`` is the Go type of its values, ``items`` is None for a nil map."""

    element: str
    items: Mapping[str, object] | None

    def __len__(self) -> int:
        return len(self.items or {})

    def get(self, key: str) -> object:
        """Return the value for ``key``, or None."""
        items = self.items or {}
        return to_go(items[key], self.element) if key in items else None

    def names(self) -> list[str]:
        """Return the keys sorted, as templates iterate over them."""
        return list(sorted_map(self.items or {}))


@dataclass(frozen=True, slots=True)
class NilPointer:
    """A nil pointer; ``type`` is its Go type, such as ``*time.Time``."""

    type: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A value of the static type ``interface {}``, as error messages name it."""

    value: object


@dataclass(frozen=True, slots=True)
class Constant:
    """An integer type with named values such as ``time.Month``; prints as ``name``."""

    type: str
    number: int
    name: str

    def __str__(self) -> str:
        return self.name


def _as_field(value: object) -> Field:
    return value if isinstance(value, Field) else Field(value)


def to_go(value: object, type: str = "") -> object:
    """Convert a Python value to the Go value of a static ``type``, or of the type derived from the value."""
    if isinstance(value, Interface):
        value = value.value
    if type == ANY:
        return Interface(to_go(value))
    if type == _EMPTY_STRUCT:
        return Struct(_EMPTY_STRUCT, {})
    if value is None:
        return _nil(type)
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATES.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return GoMap(type.removeprefix("map[string]") or _common_type(value.values()), value)
    if isinstance(value, list | tuple):
        return Slice(type.removeprefix("[]") or _common_type(value), value)
    return value


def _common_type(values: object) -> str:
    assert hasattr(values, "__iter__")
    types = {type_of(value) if not isinstance(value, list | tuple | Mapping) else ANY for value in values}
    return types.pop() if len(types) == 1 and types != {"<nil>"} else ANY


def _nil(type: str) -> object:
    if type.startswith("[]"):
        return Slice(type[2:], None)
    if type.startswith("map[string]"):
        return GoMap(type.removeprefix("map[string]"), None)
    if type.startswith("*"):
        return NilPointer(type)
    return _ZEROS.get(type)


def zero(type: str) -> object:
    """Return the zero value of a Go type."""
    return Interface(None) if type == ANY else _nil(type)


def indirect(value: object) -> object:
    """Return the value within an `Interface`, or ``value`` itself."""
    return value.value if isinstance(value, Interface) else value


def type_of(value: object) -> str:
    """Return the name of a value's Go type, as ``%T`` prints it."""
    if isinstance(value, Interface):
        return ANY
    if isinstance(value, Struct):
        return value.name
    if isinstance(value, Slice):
        return f"[]{value.element}"
    if isinstance(value, GoMap):
        return f"map[string]{value.element}"
    if isinstance(value, NilPointer | Constant):
        return value.type
    names = {str: "string", bool: "bool", int: "int", float: "float64", complex: "complex128", GoTime: "*time.Time"}
    return "<nil>" if value is None else names.get(type(value), type(value).__name__)


def truth(value: object) -> bool:
    """Return whether ``if`` considers a value true: not zero, nil or empty; structs always are."""
    value = indirect(value)
    if isinstance(value, Slice | GoMap):
        return len(value) > 0
    if isinstance(value, Constant):
        return value.number != 0
    return not isinstance(value, NilPointer) and (isinstance(value, Struct | GoTime) or bool(value))


def is_nil(value: object) -> bool:
    """Return whether a value is nil: an untyped nil, or a nil pointer, slice or map."""
    value = indirect(value)
    if isinstance(value, Slice | GoMap):
        return value.items is None
    return value is None or isinstance(value, NilPointer)


def json_value(value: object) -> object:
    """Return a value as `go_json.dumps` encodes it, with the JSON names and ``omitempty`` of struct fields."""
    value = to_go(indirect(value)) if isinstance(value, list | tuple | Mapping) else indirect(value)
    if isinstance(value, Struct):
        return _json_struct(value)
    if isinstance(value, Slice):
        return None if value.items is None else [json_value(value[index]) for index in range(len(value))]
    if isinstance(value, GoMap):
        return None if value.items is None else {key: json_value(value.get(key)) for key in value.names()}
    if isinstance(value, GoTime):
        return value.rfc3339()
    if isinstance(value, Constant):
        return value.number
    return None if isinstance(value, NilPointer) else value


def _json_struct(struct: Struct) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, field in struct.items():
        value = to_go(field.value, field.type)
        if field.embedded and isinstance(value, Struct):
            found.update(_json_struct(value))
        elif not (field.omitempty and not truth(value)):
            found[field.json or name] = json_value(value)
    return found
