"""Flags as skopeo's users write them (spf13/pflag): a boolean never takes the next word.

``--flag value``, ``--flag=value``, ``-f value``, ``-fvalue``, ``-abc`` for several booleans, flags
and arguments in any order, ``--`` ends the flags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from ..errors import InvalidInput
from ..fast_dataclass import dataclass

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_DURATION = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)"
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class UsageError(InvalidInput):
    """Internal to the command line: its flags or arguments are wrong."""


def boolean(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("want true or false")


def integer(text: str) -> int:
    """A whole number in decimal digits, with or without a sign."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII):
        raise ValueError("want a whole number")
    return int(text)


def listed(text: str) -> list[str]:
    """Several values in one, separated by commas; for flags that repeat."""
    return text.split(",")


def duration(text: str) -> float:
    """Seconds, from Go's notation (``1m30s``) or from a plain number of seconds."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text, re.ASCII):
        return float(text)
    if not re.fullmatch(rf"(?:{_DURATION})+", text):
        raise ValueError("want a duration such as 30s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_DURATION, text))


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag: how it is written, read and explained. ``value`` names its value in the help."""

    name: str
    help: str
    short: str = ""
    value: str = ""
    read: Callable[[str], Any] = str
    default: Any = None
    repeat: bool = False
    hidden: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_boolean(self) -> bool:
        return self.read is boolean

    def __str__(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


@dataclass(slots=True)
class Parsed:
    """Arguments, and each flag's value by its name; flags not given have their default."""

    arguments: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


_HELP = Flag("help", "show this help", short="h", read=boolean, default=False)


def parse(words: Sequence[str], flags: Sequence[Flag], *, stop_at_argument: bool = False) -> tuple[Parsed, list[str]]:
    """Read ``words``; with ``stop_at_argument`` what begins at the first argument is left over.

    ``help`` is a flag of every command. Raises `UsageError`, with pflag's words.
    """
    known = (_HELP, *flags)
    by_name = {flag.name: flag for flag in known}
    by_short = {flag.short: flag for flag in known if flag.short}
    parsed = Parsed(values={flag.name: ([] if flag.repeat else flag.default) for flag in known})
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            if stop_at_argument:
                return parsed, left
            parsed.arguments += left
            break
        if word.startswith("--"):
            _long(word, left, by_name, parsed)
        elif word.startswith("-") and word != "-":
            _shorts(word, left, by_short, parsed)
        elif stop_at_argument:
            return parsed, [word, *left]
        else:
            parsed.arguments.append(word)
    return parsed, []


def _long(word: str, left: list[str], by_name: dict[str, Flag], parsed: Parsed) -> None:
    name, equals, text = word[2:].partition("=")
    if not name or name.startswith("-"):
        raise UsageError(f"bad flag syntax: --{name}")
    flag = by_name.get(name)
    if flag is None:
        raise UsageError(f"unknown flag: --{name}")
    if not equals:
        if flag.is_boolean:
            text = "true"
        elif left:
            text = left.pop(0)
        else:
            raise UsageError(f"flag needs an argument: --{name}")
    _set(flag, text, parsed)


def _shorts(word: str, left: list[str], by_short: dict[str, Flag], parsed: Parsed) -> None:
    letters = word[1:]
    while letters:
        flag = by_short.get(letters[0])
        if flag is None:
            # What follows the letter may be meant as its value, and a secret.
            raise UsageError(f"unknown shorthand flag: '{letters[0]}' in -{letters[0]}")
        letters = letters[1:]
        if flag.is_boolean and not letters.startswith("="):
            _set(flag, "true", parsed)
            continue
        text = letters.removeprefix("=")
        if not letters:
            if not left:
                raise UsageError(f"flag needs an argument: '{flag.short}' in -{flag.short}")
            text = left.pop(0)
        _set(flag, text, parsed)
        return


def _set(flag: Flag, text: str, parsed: Parsed) -> None:
    try:
        value = flag.read(text)
        if flag.choices and value not in flag.choices:
            raise ValueError("want one of " + ", ".join(flag.choices))
    except ValueError as error:
        # A mistyped secret must not be repeated on a terminal; these flags hold none.
        raise UsageError(f'invalid argument "{text}" for "{flag}" flag: {error}') from None
    if flag.repeat:
        parsed.values[flag.name] += value if isinstance(value, list) else [value]
    else:
        parsed.values[flag.name] = value
    parsed.given.add(flag.name)


def usage(flags: Sequence[Flag], width: int = 100) -> str:
    """The table of flags, sorted by name, as ``--help`` shows it."""
    import textwrap

    rows = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        if not flag.hidden:
            short = f"-{flag.short}, " if flag.short else "    "
            rows.append((f"  {short}--{flag.name}{' ' + flag.value if flag.value else ''}", flag.help))
    column = max(len(left) for left, _ in rows) + 3
    lines = []
    for left, text in rows:
        wrapped = textwrap.wrap(text, max(width - column, 40)) or [""]
        lines.append(left.ljust(column) + wrapped[0])
        lines += [" " * column + line for line in wrapped[1:]]
    return "\n".join(lines)
