"""The comparison functions ``eq`` and ``lt`` of Go's ``text/template``, with its rules for comparable types."""

from __future__ import annotations

from collections.abc import Sequence

from ..go_time import GoTime
from .formatting import format_default
from .printf_verbs import CallError
from .values import Constant, GoMap, Slice, Struct, indirect, is_nil, type_of


def _basic(value: object) -> tuple[str, object]:
    """Return the basic kind of a value and what it compares by; the kind is "" for values that are not basic."""
    if isinstance(value, Constant):
        return "integer", value.number
    for type, kind in ((bool, "boolean"), (int, "integer"), (float, "float"), (complex, "complex"), (str, "string")):
        if isinstance(value, type):
            return kind, value
    return "", value


def equal(first: object, others: Sequence[object]) -> bool:
    """Return whether ``first`` equals any of ``others``; raises `CallError` where Go refuses to compare them."""
    if not others:
        raise CallError("missing argument for comparison")
    first = indirect(first)
    return any(_equal(first, indirect(other)) for other in others)


def _equal(first: object, second: object) -> bool:
    kind, mine = _basic(first)
    other_kind, theirs = _basic(second)
    if kind != other_kind:
        if first is not None and second is not None:
            raise CallError("incompatible types for comparison")
        return False
    if kind:
        return mine == theirs
    if is_nil(first) or is_nil(second):
        return is_nil(first) == is_nil(second)
    for value in (second, first):
        if isinstance(value, Slice | GoMap | Struct):
            raise CallError(f"non-comparable type {format_default(value)[:100]}: {type_of(value)}")
    assert isinstance(first, GoTime)
    # Both are *time.Time, and Go compares the pointers: a report has one time, which equals itself.
    return first == second


def less(first: object, second: object) -> bool:
    """Return whether ``first`` is less than ``second``; raises `CallError` where Go refuses to compare them."""
    kind, mine = _basic(indirect(first))
    other_kind, theirs = _basic(indirect(second))
    if not kind or not other_kind:
        raise CallError("invalid type for comparison")
    if kind != other_kind:
        raise CallError("incompatible types for comparison")
    if isinstance(mine, str) and isinstance(theirs, str):
        return mine < theirs
    if isinstance(mine, bool) or not isinstance(mine, int | float) or not isinstance(theirs, int | float):
        raise CallError("invalid type for comparison")
    return mine < theirs
