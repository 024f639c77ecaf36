"""Parsing of flags, with the syntax of skopeo's parser (spf13/pflag).

``--flag value``, ``--flag=value``, ``-f value``, ``-fvalue``, ``-abc`` for several booleans, flags
and arguments in any order, ``--`` ends the flags. A boolean never takes the next word.

Where that is allowed, ``@FILE`` stands for the lines of a file: see `argument_file`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..errors import InvalidInput
from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_DURATION = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)"
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class UsageError(InvalidInput):
    """Internal to the command line: its flags or arguments are wrong."""


class UnknownFlag(UsageError):
    """Internal to the command line: a flag is unknown, and no other is like it."""


def boolean(text: str) -> bool:
    """Parse a boolean as Go's ``strconv.ParseBool`` does."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("want true or false")


def utf8(text: str) -> str:
    """Return the text that was given in UTF-8, also in a locale with another encoding; bytes that are not stay."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def integer(text: str) -> int:
    """Parse a decimal integer, with or without a sign."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII):
        raise ValueError("want a whole number")
    return int(text)


def byte_count(text: str) -> int:
    """Parse a number of bytes: ``1048576``, ``1M``, ``1.5GiB``; a unit is a power of 1024."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)(?:([KMGT])(?:i?B)?|B)?", text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise ValueError("want a number of bytes such as 500M or 20G")
    number, unit = match.groups()
    return int(float(number) * 1024 ** (" KMGT".index(unit.upper()) if unit else 0))


def listed(text: str) -> list[str]:
    """Split a comma-separated list; for flags that can be repeated."""
    return text.split(",")


def duration(text: str) -> float:
    """Return seconds, from Go's notation (``1m30s``) or from a plain number of seconds."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text, re.ASCII):
        return float(text)
    if not re.fullmatch(rf"(?:{_DURATION})+", text):
        raise ValueError("want a duration such as 30s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_DURATION, text))


def age(text: str) -> float:
    """Return seconds, from a number of days (``30d``) or weeks (``2w``), or as `duration` does."""
    if match := re.fullmatch(r"([0-9]{1,5})([dw])", text, re.ASCII):
        return int(match[1]) * {"d": 86400.0, "w": 7 * 86400.0}[match[2]]
    try:
        return duration(text)
    except ValueError:
        raise ValueError("want a duration such as 30d, 2w or 12h") from None


# The parts of a help text, in order, by what its flags are about.
GROUPS = {
    "source": "Source",
    "destination": "Destination",
    "images": "Which images",
    "files": "Which files",
    "plan": "Plans and machines",
    "form": "Form of the image",
    "trust": "Trust and verification",
    "registry": "Registry and credentials",
    "network": "Network",
    "output": "Output",
}


@dataclass(frozen=True, slots=True)
class Flag:
    """The declaration of one flag.

    ``value`` is the placeholder of its value in the help text, ``read`` converts the text of a value and raises
    `ValueError`. A flag that is not given has the value ``default``, or an empty list if it can be repeated
    (``repeat``). ``choices`` are the values allowed, if only some are; ``offered`` those that completion offers where
    the choices are checked elsewhere, with skopeo's messages, or are not all. ``implied`` is the text of the value if
    none is given after ``=``; None: it is the next word. ``group`` is the part of the help text that lists the flag,
    one of `GROUPS`; only a hidden flag has none.
    """

    name: str
    help: str
    short: str = ""
    value: str = ""
    read: Callable[[str], object] = str
    default: object = None
    repeat: bool = False
    hidden: bool = False
    choices: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    implied: str | None = None
    group: str = ""

    @property
    def is_boolean(self) -> bool:
        """Whether the flag takes no value from the next word."""
        return self.read is boolean or self.implied is not None

    def __str__(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"

    def read_value(self, text: str) -> object:
        """Return the value that ``text`` stands for; raises `ValueError`."""
        value = self.read(text)
        if self.choices and value not in self.choices:
            raise ValueError("want one of " + ", ".join(self.choices))
        return value


class Parsed:
    """A parsed command line: the arguments, and the value of every declared flag by its name.

    ``given`` has the names of the flags that were on the command line, or that the user has set for all calls;
    ``inherited`` those among them that were not behind the name of the command. The methods return values with their
    type: they raise `TypeError` if the flag is declared with another one, and `KeyError` if it is not declared.
    """

    __slots__ = ("arguments", "given", "inherited", "values")

    def __init__(self, values: dict[str, object]) -> None:
        self.arguments: list[str] = []
        self.values = values
        self.given: set[str] = set()
        self.inherited: set[str] = set()

    def get(self, name: str, kind: type[T]) -> T:
        """Return the value of a flag that is given or has a default."""
        value = self.values[name]
        if not isinstance(value, kind):
            raise TypeError(f"the value of --{name} is {value!r}, not of type {kind.__name__}")
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        """Return the value of a flag, or None if it is not given."""
        return None if self.values[name] is None else self.get(name, kind)

    def repeated(self, name: str, kind: type[T]) -> tuple[T, ...]:
        """Return the values of a flag that can be repeated."""
        found = self.get(name, list)
        if not all(isinstance(value, kind) for value in found):
            raise TypeError(f"the values of --{name} are {found!r}, not of type {kind.__name__}")
        return tuple(found)

    def path(self, name: str) -> Path | None:
        """Return the value of a flag as a path, or None if it is not given or empty."""
        from pathlib import Path

        text = self.optional(name, str)
        return Path(text) if text else None

    def add(self, flag: Flag, value: object) -> None:
        """Set the value of a flag; if it can be repeated, add it to the others."""
        if flag.repeat:
            self.get(flag.name, list).extend(value if isinstance(value, list) else [value])
        else:
            self.values[flag.name] = value
        self.given.add(flag.name)

    def inherit(self, outer: Parsed) -> None:
        """Take over the flags that are given in ``outer`` and not here."""
        self.inherited = outer.given - self.given
        for name in self.inherited:
            self.values[name] = outer.values[name]
        self.given |= outer.given


HELP = Flag("help", "show this help text", short="h", read=boolean, default=False, group="output")


def parse(
    words: Sequence[str], flags: Sequence[Flag], *, stop_at_argument: bool = False, files: bool = False
) -> tuple[Parsed, list[str]]:
    """Parse ``words``, and return the result with the words that are left over.

    With ``stop_at_argument`` those are the first argument and all after it, else there are none.
    ``--help`` is accepted with any ``flags``. With ``files``, a word ``@FILE`` that is not the value of a flag, nor
    after ``--``, is replaced by what is in the file. Raises `UsageError`, with pflag's messages.
    """
    known = (HELP, *flags)
    by_name = {flag.name: flag for flag in known}
    by_short = {flag.short: flag for flag in known if flag.short}
    parsed = Parsed({flag.name: ([] if flag.repeat else flag.default) for flag in known})
    left = list(words)
    while left:
        word = left.pop(0)
        if files and word.startswith("@"):
            from .argument_file import LiteralWord, read_arguments

            if not isinstance(word, LiteralWord):
                left[:0] = read_arguments(word)
                continue
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
        hint = _hint(name, by_name)
        raise (UsageError if hint else UnknownFlag)(f"unknown flag: --{name}{hint}")
    if not equals:
        if flag.is_boolean:
            text = "true" if flag.implied is None else flag.implied
        elif left:
            text = left.pop(0)
        else:
            raise UsageError(f"flag needs an argument: --{name}")
    _set(flag, text, parsed)


def _hint(name: str, by_name: Mapping[str, Flag]) -> str:
    """Return what to write instead of an unknown flag, or which part of skopeo is missing; "" if nothing is known."""
    signs = "sign-by" in by_name
    if signs and name == "sign-identity":
        return ": sync signs each image as its name at the destination"
    if not signs and name.startswith("sign-"):
        return ": only the commands copy and sync sign images"
    if "crypt" in name:
        return ": only the command copy encrypts and decrypts"
    from difflib import get_close_matches

    shown = [flag.name for flag in by_name.values() if not flag.hidden]
    near = [known for known in shown if known in (f"src-{name}", f"dest-{name}")]
    near = near or get_close_matches(name, shown, 1, 0.75)
    return "; did you mean " + " or ".join(f"--{known}" for known in near) + "?" if near else ""


def _shorts(word: str, left: list[str], by_short: dict[str, Flag], parsed: Parsed) -> None:
    letters = word[1:]
    while letters:
        flag = by_short.get(letters[0])
        if flag is None:
            # The rest of the word is not repeated: it may be a secret, meant as the value.
            raise UnknownFlag(f"unknown shorthand flag: '{letters[0]}' in -{letters[0]}")
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
        parsed.add(flag, flag.read_value(text))
    except ValueError as error:
        # The text can be repeated: flags that hold secrets accept every value, so none of them gets here.
        raise UsageError(f'invalid argument "{text}" for "{flag}" flag: {error}') from None
