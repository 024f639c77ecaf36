"""The Go values that a template sees, on top of plain Python ones.

`str`, `bool`, `int`, `float` and `complex` stand for Go's own; `None` is nil, or a value that is
absent. The classes here add what Python's types do not tell: static types, nil slices and maps,
and the difference between a struct and a map.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...fast_dataclass import dataclass
from ..go_json import sorted_map
from ..go_time import GoTime

ANY = "interface {}"
_SURROGATES = re.compile("[\ud800-\udfff]")
_ZEROS: dict[str, object] = {"string": "", "bool": False, "int": 0, "int64": 0, "uint8": 0, "float64": 0.0}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a `Struct`: its value, its Go type and how it is written in JSON.

    ``type`` is a Go type such as ``[]string``, ``map[string]string`` or ``*time.Time``; it decides how a
    ``value`` of `None` behaves. Without it the type is guessed from the value. ``json`` is the name in
    JSON, by default the field's own. The fields of an ``embedded`` struct are reached without its name.
    """

    value: object
    type: str = ""
    json: str = ""
    omitempty: bool = False
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """A Go struct: ordered fields, and a field that is not there is an error.

    ``name`` is the Go type, for example ``inspect.Output``. Each field is a `Field`, or a plain value.
    """

    name: str
    fields: Mapping[str, object]

    def field(self, name: str) -> Field | None:
        """The field ``name``, also one of an embedded struct; `None` when there is none."""
        if name in self.fields:
            return _as_field(self.fields[name])
        for candidate in self.fields.values():
            if isinstance(candidate, Field) and candidate.embedded and isinstance(candidate.value, Struct):
                found = candidate.value.field(name)
                if found is not None:
                    return found
        return None

    def items(self) -> list[tuple[str, Field]]:
        """Names and fields in order."""
        return [(name, _as_field(value)) for name, value in self.fields.items()]


@dataclass(frozen=True, slots=True)
class Slice:
    """A Go slice whose elements are of the type ``element``; ``items`` is `None` for a nil slice."""

    element: str
    items: Sequence[object] | None

    def __len__(self) -> int:
        return len(self.items or ())

    def __getitem__(self, index: int) -> object:
        return lift((self.items or ())[index], self.element)


@dataclass(frozen=True, slots=True)
class GoMap:
    """A Go map from strings to values of the type ``element``; ``items`` is `None` for a nil map."""

    element: str
    items: Mapping[str, object] | None

    def __len__(self) -> int:
        return len(self.items or {})

    def get(self, key: str) -> object:
        """The value for ``key``; `None` when there is none."""
        items = self.items or {}
        return lift(items[key], self.element) if key in items else None

    def names(self) -> list[str]:
        """The keys in the order in which Go's templates walk a map."""
        return list(sorted_map(self.items or {}))


@dataclass(frozen=True, slots=True)
class NilPointer:
    """A nil pointer; ``type`` is its Go type, with the star."""

    type: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A value found where the static type is ``interface {}``, which error messages then name."""

    value: object


@dataclass(frozen=True, slots=True)
class Constant:
    """A named integer such as ``time.Month``, which prints as its name."""

    type: str
    number: int
    name: str

    def __str__(self) -> str:
        return self.name


def _as_field(value: object) -> Field:
    return value if isinstance(value, Field) else Field(value)


def lift(value: object, type: str = "") -> object:
    """Turn what a caller gave into a Go value of the static ``type``, or of the type that it looks like."""
    if isinstance(value, Interface):
        value = value.value
    if type == ANY:
        return Interface(lift(value))
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
    """The zero value of a Go type."""
    return Interface(None) if type == ANY else _nil(type)


def indirect(value: object) -> object:
    """The value inside an interface, if it is in one."""
    return value.value if isinstance(value, Interface) else value


def type_of(value: object) -> str:
    """The name of a value's Go type, as ``%T`` prints it."""
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
    """Whether a value is true for ``if``: neither zero, nor nil, nor empty. Structs always are."""
    value = indirect(value)
    if isinstance(value, Slice | GoMap):
        return len(value) > 0
    if isinstance(value, Constant):
        return value.number != 0
    return not isinstance(value, NilPointer) and (isinstance(value, Struct | GoTime) or bool(value))


def is_nil(value: object) -> bool:
    """Whether a value is nil, or a nil pointer, slice or map."""
    value = indirect(value)
    if isinstance(value, Slice | GoMap):
        return value.items is None
    return value is None or isinstance(value, NilPointer)


def plain(value: object) -> object:
    """The value as `pyskopeo.model.gojson.dumps` takes it, with the field names and omissions of its structs."""
    value = lift(indirect(value)) if isinstance(value, list | tuple | Mapping) else indirect(value)
    if isinstance(value, Struct):
        return _plain_struct(value)
    if isinstance(value, Slice):
        return None if value.items is None else [plain(value[index]) for index in range(len(value))]
    if isinstance(value, GoMap):
        return None if value.items is None else {key: plain(value.get(key)) for key in value.names()}
    if isinstance(value, GoTime):
        return value.rfc3339()
    if isinstance(value, Constant):
        return value.number
    return None if isinstance(value, NilPointer) else value


def _plain_struct(struct: Struct) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, field in struct.items():
        value = lift(field.value, field.type)
        if field.embedded and isinstance(value, Struct):
            found.update(_plain_struct(value))
        elif not (field.omitempty and not truth(value)):
            found[field.json or name] = plain(value)
    return found
