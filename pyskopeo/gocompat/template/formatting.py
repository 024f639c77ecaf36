"""Formatting of values: Go's ``fmt.Sprint``, ``fmt.Sprintln`` and ``fmt.Sprintf``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...fast_dataclass import replace
from ..go_time import GoTime
from .printf_verbs import CallError, Flags, boolean, complex_number, floating, integer, join_bounded, string
from .values import Constant, GoMap, NilPointer, Slice, Struct, indirect, to_go, type_of

# Go's own limit on widths and precisions.
_WIDTH_LIMIT = 1_000_000
_DIRECTIVE = re.compile(
    r"%([#0+\- ]*)(\[(?:[^\]]*\])?)?(\*|[0-9]*)(?:(\.)(\[(?:[^\]]*\])?)?(\*|[0-9]*))?(\[(?:[^\]]*\])?)?(.)?", re.DOTALL
)
_NO_FLAGS = Flags()


def sprint(values: Sequence[object]) -> str:
    """Format values as ``fmt.Sprint`` does, with a space between two of which neither is a string."""
    parts: list[str] = []
    for index, value in enumerate(values):
        neither = index > 0 and not isinstance(value, str) and not isinstance(values[index - 1], str)
        parts.append((" " if neither else "") + format_default(value))
    return join_bounded(parts)


def sprintln(values: Sequence[object]) -> str:
    """Format values as ``fmt.Sprintln`` does, separated by spaces and ended by a newline."""
    return join_bounded((format_default(value) for value in values), " ") + "\n"


def format_default(value: object) -> str:
    """Format a value by ``%v``."""
    return format_verb(indirect(value), "v", _NO_FLAGS)


def format_verb(value: object, verb: str, flags: Flags) -> str:
    """Format a value by a verb; as in Go, a verb that its type does not have is reported within the text."""
    if verb == "T":
        return string(type_of(value), "s", flags) or ""
    text = _special(value, verb, flags)
    if text is None:
        text = _scalar(value, verb, flags)
    if text is not None:
        return text
    if value is None:
        return f"%!{verb}(<nil>)"
    return f"%!{verb}({type_of(value)}={format_verb(value, 'v', flags)})"


def _scalar(value: object, verb: str, flags: Flags) -> str | None:
    if isinstance(value, str):
        return string(value, verb, flags)
    if isinstance(value, bool):
        return boolean(value, verb, flags)
    if isinstance(value, int):
        return integer(value, verb, flags)
    if isinstance(value, float):
        return floating(value, verb, flags)
    if isinstance(value, complex):
        return complex_number(value, verb, flags)
    return None


def _special(value: object, verb: str, flags: Flags) -> str | None:
    if value is None or isinstance(value, NilPointer):
        if verb == "v" or (value is not None and verb in "sq"):
            nil = f"({type_of(value)})(nil)" if value is not None and flags.sharp_v else "<nil>"
            return string(nil, "s", replace(flags, sharp_v=False))
        return None
    if isinstance(value, Slice):
        return _slice(value, verb, flags)
    if isinstance(value, GoMap):
        return _map(value, verb, flags)
    if isinstance(value, Struct):
        return _struct(value, verb, flags)
    if isinstance(value, GoTime | Constant):
        if flags.sharp_v and verb == "v":
            return _go_syntax(value)
        if verb in "vsqxX":
            return string(str(value), "s" if verb == "v" else verb, flags)
        return integer(value.number, verb, flags) if isinstance(value, Constant) else f"%!{verb}(*time.Time={value})"
    return None


def _inner(value: object, verb: str, flags: Flags) -> str:
    value = indirect(value)
    if value is None:
        return "interface {}(nil)" if flags.sharp_v else "<nil>"
    return format_verb(value, verb, flags)


def _slice(value: Slice, verb: str, flags: Flags) -> str:
    items = (_inner(value[index], verb, flags) for index in range(len(value)))
    if not flags.sharp_v:
        return f"[{join_bounded(items, ' ')}]"
    return f"{type_of(value)}(nil)" if value.items is None else f"{type_of(value)}{{{join_bounded(items, ', ')}}}"


def _map(value: GoMap, verb: str, flags: Flags) -> str:
    pairs = (f"{format_verb(key, verb, flags)}:{_inner(value.get(key), verb, flags)}" for key in value.names())
    if not flags.sharp_v:
        return f"map[{join_bounded(pairs, ' ')}]"
    return f"{type_of(value)}(nil)" if value.items is None else f"{type_of(value)}{{{join_bounded(pairs, ', ')}}}"


def _struct(value: Struct, verb: str, flags: Flags) -> str:
    named = flags.plus_v or flags.sharp_v

    def fields() -> Iterator[str]:
        for name, field in value.items():
            text = _inner(to_go(field.value, field.type), verb, flags)
            yield f"{name}:{text}" if named else text

    if flags.sharp_v:
        return f"{value.name}{{{join_bounded(fields(), ', ')}}}"
    return f"{{{join_bounded(fields(), ' ')}}}"


def _go_syntax(value: GoTime | Constant) -> str:
    if isinstance(value, Constant):
        return str(value.number)
    zone = "time.UTC" if value.offset == 0 else f'time.FixedZone("", {value.offset})'
    parts = f"{value.day}, {value.hour}, {value.minute}, {value.second}, {value.nanosecond}, {zone}"
    return f"time.Date({value.year}, time.{value.month_name}, {parts})"


def sprintf(template: str, values: Sequence[object]) -> str:
    """Format values as ``fmt.Sprintf`` does. Raises `CallError` over `_WIDTH_LIMIT` or `TEXT_LIMIT`."""
    return _Printer([indirect(value) for value in values]).run(template)


class _Printer:
    """The state of one ``Sprintf``: the next argument, and whether explicit indexes have reordered them."""

    def __init__(self, values: list[object]) -> None:
        self._values = values
        self._next = 0
        self._reordered = False
        self._valid = True

    def run(self, template: str) -> str:
        return join_bounded(self._pieces(template))

    def _pieces(self, template: str) -> Iterator[str]:
        at = 0
        for match in _DIRECTIVE.finditer(template):
            yield template[at : match.start()]
            yield from self._directive(match)
            at = match.end()
        yield template[at:]
        if not self._reordered and self._next < len(self._values):
            extra = (
                "<nil>" if value is None else f"{type_of(value)}={format_default(value)}"
                for value in self._values[self._next :]
            )
            yield f"%!(EXTRA {join_bounded(extra, ', ')})"

    def _directive(self, match: re.Match[str]) -> Iterator[str]:
        signs, first, width, dot, second, precision, third, verb = match.groups()
        self._valid = True
        flags = Flags(minus="-" in signs, plus="+" in signs, sharp="#" in signs, space=" " in signs, zero="0" in signs)
        indexed = self._index(first)
        if width == "*":
            number, indexed = self._star(), False
            if number is None:
                yield "%!(BADWIDTH)"
            elif number < 0:
                flags = replace(flags, width=-number, minus=True, zero=False)
            else:
                flags = replace(flags, width=number)
        elif width:
            self._valid = self._valid and not indexed
            flags = replace(flags, width=_bounded(width))
        if dot:
            self._valid = self._valid and not indexed
            indexed = self._index(second)
            if precision == "*":
                number, indexed = self._star(), False
                if number is None or number < 0:
                    yield "%!(BADPREC)"
                else:
                    flags = replace(flags, precision=number)
            else:
                flags = replace(flags, precision=_bounded(precision or "0"))
        if third:
            # An index directly after another one is an error.
            self._valid = self._valid and not indexed
            self._index(third)
        yield self._verb(verb, flags)

    def _verb(self, verb: str | None, flags: Flags) -> str:
        if verb is None:
            return "%!(NOVERB)"
        if verb == "%":
            return "%"
        if not self._valid:
            return f"%!{verb}(BADINDEX)"
        if self._next >= len(self._values):
            return f"%!{verb}(MISSING)"
        if verb == "v":
            flags = replace(flags, sharp=False, plus=False, sharp_v=flags.sharp, plus_v=flags.plus)
        value = self._values[self._next]
        self._next += 1
        return format_verb(value, verb, flags)

    def _index(self, text: str | None) -> bool:
        """Apply an explicit argument index such as ``[2]``; returns whether there is one and it is a number."""
        if not text:
            return False
        self._reordered = True
        digits = text[1:-1]
        if not (digits.isascii() and digits.isdigit() and len(digits) < 8):
            self._valid = False
            return False
        number = int(digits) - 1
        if 0 <= number < len(self._values):
            self._next = number
        else:
            self._valid = False
        return True

    def _star(self) -> int | None:
        if self._next >= len(self._values):
            return None
        number = self._values[self._next]
        self._next += 1
        if isinstance(number, bool) or not isinstance(number, int) or abs(number) > _WIDTH_LIMIT:
            return None
        return number


def _bounded(digits: str) -> int:
    if len(digits) > 7 or int(digits) > _WIDTH_LIMIT:
        raise CallError(f"a width or precision of {digits[:20]} is over the limit of {_WIDTH_LIMIT}")
    return int(digits)
