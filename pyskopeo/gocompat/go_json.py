"""A JSON encoder that writes what Go's ``encoding/json`` writes, byte for byte.

For digests of converted manifests and for output that scripts compare. A `dict` is encoded as a Go
struct, in the order of its keys. Go sorts the keys of a map: use `sorted_map` for one, or
``sort_maps=True`` where every object is a map.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

from ..errors import InvalidContent
from ..fast_dataclass import dataclass

_Value = TypeVar("_Value")

# Characters that are escaped.
_HTML = '[\x00-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]'
_PLAIN = '[\x00-\x1f"\\\\\u2028\u2029\ud800-\udfff]'
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def sorted_map(mapping: Mapping[str, _Value]) -> dict[str, _Value]:
    """Return a copy of ``mapping`` with its keys sorted by their bytes in UTF-8, as Go writes maps."""
    # Code points sort in the same order as their UTF-8 encodings.
    return {key: mapping[key] for key in sorted(mapping)}


def dumps(value: object, indent: int = 0, *, escape_html: bool = True, sort_maps: bool = False) -> str:
    r"""Encode ``value`` as Go does, compactly or with ``indent`` spaces per level, without a final newline.

    ``escape_html`` encodes ``<``, ``>`` and ``&`` as ``\u003c``, ``\u003e`` and ``\u0026``, which is
    Go's default. Lone surrogates become U+FFFD. The depth of nesting is not limited. Raises
    `InvalidContent` for NaN, infinities and values of types that JSON does not have.
    """
    encoder = _Encoder(indent, re.compile(_HTML if escape_html else _PLAIN), sort_maps)
    encoder.write(value)
    return "".join(encoder.out)


def shortest_decimal(number: float) -> tuple[str, int]:
    """Return the shortest decimal digits that identify ``number``, and the position of the point among them.

    The sign is omitted: -12.5 is ``("125", 2)``, 0.001 is ``("1", -2)``, and 0 is ``("0", 1)``.
    ``number`` must be finite.
    """
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    return (digits, point) if digits else ("0", 1)


def without_exponent(digits: str, point: int) -> str:
    """Format the result of `shortest_decimal` without an exponent."""
    if point <= 0:
        return "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return digits[:point] + "." + digits[point:]


def float_text(number: float) -> str:
    """Format a float as Go does in JSON: the shortest form, with an exponent below 1e-6 and from 1e21.

    Raises `InvalidContent` for NaN and infinities.
    """
    if not math.isfinite(number):
        raise InvalidContent(f"JSON cannot hold the number {number}")
    sign = "-" if math.copysign(1.0, number) < 0 else ""
    digits, point = shortest_decimal(number)
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        return sign + without_exponent(digits, point)
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


@dataclass(slots=True)
class _Open:
    """An object or array being encoded: its remaining names (objects only) and values."""

    names: Iterator[str] | None
    values: Iterator[object]
    end: str
    separator: str = ""


class _Encoder:
    __slots__ = ("_indent", "_sort", "_special", "out")

    def __init__(self, indent: int, special: re.Pattern[str], sort: bool) -> None:
        self._indent = indent
        self._special = special
        self._sort = sort
        self.out: list[str] = []

    def write(self, value: object) -> None:
        # An explicit stack, because a configuration may be nested deeper than the interpreter can recurse.
        stack: list[_Open] = []
        self._start(value, stack)
        while stack:
            top = stack[-1]
            found = next(top.values, _DONE)
            if found is _DONE:
                stack.pop()
                self.out.append(self._gap(len(stack)) + top.end)
                continue
            self.out.append(top.separator + self._gap(len(stack)))
            top.separator = ","
            if top.names is not None:
                self.out.append(self._quote(next(top.names)) + (": " if self._indent else ":"))
            self._start(found, stack)

    def _gap(self, depth: int) -> str:
        return "\n" + " " * (self._indent * depth) if self._indent else ""

    def _start(self, value: object, stack: list[_Open]) -> None:
        if isinstance(value, Mapping):
            fields: Mapping[str, object] = sorted_map(value) if self._sort else value
            if not fields:
                self.out.append("{}")
                return
            self.out.append("{")
            stack.append(_Open(iter(fields), iter(fields.values()), "}"))
        elif isinstance(value, list | tuple):
            if not value:
                self.out.append("[]")
                return
            self.out.append("[")
            stack.append(_Open(None, iter(value), "]"))
        else:
            self.out.append(self._scalar(value))

    def _scalar(self, value: object) -> str:
        if isinstance(value, str):
            return self._quote(value)
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(int(value))
        if isinstance(value, float):
            return float_text(value)
        raise InvalidContent(f"JSON cannot hold a value of type {type(value).__name__}")

    def _quote(self, text: str) -> str:
        return f'"{self._special.sub(_escape, text)}"'


_DONE = object()
