"""The methods of values that templates can call: those of Go's ``time.Time``."""

from __future__ import annotations

from collections.abc import Callable

from ..go_time import GoTime
from .functions import Arguments, Function
from .values import Constant

_TIME: dict[str, tuple[tuple[str, ...], Callable[[GoTime, Arguments], object]]] = {
    "Format": (("string",), lambda time, arguments: time.format(str(arguments[0]))),
    "String": ((), lambda time, _: str(time)),
    "Year": ((), lambda time, _: time.year),
    "Month": ((), lambda time, _: Constant("time.Month", time.month, time.month_name)),
    "Day": ((), lambda time, _: time.day),
    "Hour": ((), lambda time, _: time.hour),
    "Minute": ((), lambda time, _: time.minute),
    "Second": ((), lambda time, _: time.second),
    "Nanosecond": ((), lambda time, _: time.nanosecond),
    "YearDay": ((), lambda time, _: time.year_day),
    "Weekday": ((), lambda time, _: Constant("time.Weekday", time.weekday_number, time.weekday)),
    "Unix": ((), lambda time, _: time.unix),
    "UnixMilli": ((), lambda time, _: time.unix * 1000 + time.nanosecond // 1_000_000),
    "UnixNano": ((), lambda time, _: time.unix * 1_000_000_000 + time.nanosecond),
    "UTC": ((), lambda time, _: time.utc()),
    "IsZero": ((), lambda time, _: time.utc() == GoTime(1, 1, 1)),
}


def method(value: object, name: str) -> Function | None:
    """Return the method ``name`` bound to ``value``, or None if it has no such method."""
    if not isinstance(value, GoTime) or name not in _TIME:
        return None
    parameters, run = _TIME[name]
    time = value
    return Function(parameters, None, lambda arguments: run(time, arguments))


def is_method(type: str, name: str) -> bool:
    """Return whether a pointer type has a method ``name``; for errors about nil pointers."""
    return type == "*time.Time" and name in _TIME
