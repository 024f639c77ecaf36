"""The functions ``len``, ``index`` and ``slice`` of templates; strings are indexed by bytes, as in Go."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .literals import from_bytes, to_bytes
from .printf_verbs import CallError
from .values import Constant, GoMap, NilPointer, Slice, indirect, type_of, zero


def length(value: object) -> int:
    """Return the number of elements, or of bytes; raises `CallError` for a type without a length."""
    value = indirect(value)
    if isinstance(value, str):
        return len(to_bytes(value))
    if isinstance(value, Slice | GoMap):
        return len(value)
    if value is None or isinstance(value, NilPointer):
        raise CallError("len of nil pointer")
    raise CallError(f"len of type {_pointee_type(value)}")


def index(value: object, keys: Sequence[object]) -> object:
    """Return ``value[key][key]...``, the zero value for a key that a map does not have. Raises `CallError`."""
    if indirect(value) is None:
        raise CallError("index of untyped nil")
    for key in keys:
        value = _element(indirect(value), indirect(key))
    return value


def _element(value: object, key: object) -> object:
    if isinstance(value, GoMap):
        if not isinstance(key, str):
            if key is None:
                raise CallError("value is nil; should be of type string")
            raise CallError(f"value has type {type_of(key)}; should be string")
        return value.get(key) if key in (value.items or {}) else zero(value.element)
    if isinstance(value, Slice):
        return value[_position(key, len(value) - 1)]
    if isinstance(value, str):
        raw = to_bytes(value)
        return raw[_position(key, len(raw) - 1)]
    if value is None or isinstance(value, NilPointer):
        raise CallError("index of nil pointer")
    raise CallError(f"can't index item of type {_pointee_type(value)}")


def _position(key: object, last: int) -> int:
    if isinstance(key, Constant):
        key = key.number
    if key is None:
        raise CallError("cannot index slice/array with nil")
    if isinstance(key, bool) or not isinstance(key, int):
        raise CallError(f"cannot index slice/array with type {type_of(key)}")
    if not 0 <= key <= last:
        raise CallError(f"index out of range: {key}")
    return key


def cut(value: object, bounds: Sequence[object]) -> object:
    """Return ``value[a:b]`` of a string or slice; a third bound only limits the second. Raises `CallError`."""
    value = indirect(value)
    if value is None:
        raise CallError("slice of untyped nil")
    if len(bounds) > 3:
        raise CallError(f"too many slice indexes: {len(bounds)}")
    if not isinstance(value, str | Slice):
        raise CallError(f"can't slice item of type {_pointee_type(value)}")
    if isinstance(value, str) and len(bounds) == 3:
        raise CallError("cannot 3-index slice a string")
    size = length(value)
    places = [_position(indirect(bound), size) for bound in bounds]
    for earlier, later in pairwise(places):
        if earlier > later:
            raise CallError(f"invalid slice index: {earlier} > {later}")
    start, end = (*places, *(0, size)[len(places) :])[:2]
    if isinstance(value, str):
        return from_bytes(to_bytes(value)[start:end])
    return Slice(value.element, (value.items or ())[start:end])


def _pointee_type(value: object) -> str:
    """Return the Go type of a value, or that of the value it points to."""
    return type_of(value).removeprefix("*")
