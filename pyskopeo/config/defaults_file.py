"""Parsing of ``config.toml``: the values that a user has set for flags of the command line.

Keys of the top level are for every command that has the flag, those of a table such as ``[copy]`` or ``[store-prune]``
for one command. Which flags and commands there are is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .user_files import LIMIT, open_user_file, read_text

# TOML's integers have up to 64 bits.
_LARGEST = 2**63

Value = bool | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileValue:
    """The value of one key, which may be a secret; numbers are text here. ``line`` is where it stands, 0: unknown."""

    value: Value = field(repr=False)
    line: int


@dataclass(frozen=True, slots=True)
class DefaultsFile:
    """The keys of a file: ``shared`` are those of the top level, ``commands`` those of each table, by its name.

    ``lines`` has the line of each table. ``private`` is whether only its owner can read the file.
    """

    where: str
    shared: Mapping[str, FileValue]
    commands: Mapping[str, Mapping[str, FileValue]]
    lines: Mapping[str, int]
    private: bool = True

    def place(self, line: int) -> str:
        """Return the file and a line of it as messages name them."""
        return f"{self.where}:{line}" if line else self.where


def parse(text: str, where: str, *, private: bool = True) -> DefaultsFile:
    """Parse a file; ``where`` is its path. Raises `InvalidInput`."""
    document, lines = _decode(text, where), _key_lines(text)
    shared, commands = {}, {}
    for key, value in document.items():
        if isinstance(value, dict):
            commands[key] = {
                name: _value(one, where, f"{key}.{name}", lines.get((key, name), 0)) for name, one in value.items()
            }
        else:
            shared[key] = _value(value, where, key, lines.get(("", key), 0))
    tables = {key: lines.get((key, ""), 0) for key in commands}
    return DefaultsFile(where, shared, commands, tables, private)


def load(path: Path, *, must_exist: bool) -> DefaultsFile | None:
    """Read a file, None if it does not exist or cannot be accessed, unless it ``must_exist``.

    Raises `InvalidInput`, `StorageFailed` or `TooLarge`.
    """
    text = read_text(path, must_exist=must_exist, limit=LIMIT)
    return None if text is None else parse(text, str(path), private=_is_private(path))


def _is_private(path: Path) -> bool:
    """Return whether nobody but the owner can read a file; what is no regular file is not readable a second time."""
    import os
    import stat

    try:
        with open_user_file(path) as file:
            mode = os.fstat(file.fileno()).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) or not mode & (stat.S_IRWXG | stat.S_IRWXO)


def _decode(text: str, where: str) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # "(at line 3, column 5)", as other messages write it.
        found = re.search(r" \(at line ([0-9]+), column [0-9]+\)$", str(error))
        place, said = (f"{where}:{found[1]}", str(error)[: found.start()]) if found else (where, str(error))
        raise InvalidInput(f"{place}: not valid TOML: {said}") from None
    except RecursionError:
        raise InvalidInput(f"{where}: not valid TOML: nested too deeply") from None
    except ValueError:  # more digits than Python converts
        raise InvalidInput(f"{where}: not valid TOML: a number is too long") from None


def _value(value: object, where: str, key: str, line: int) -> FileValue:
    place = f"{where}:{line}" if line else where
    if isinstance(value, bool | str):
        return FileValue(value, line)
    if isinstance(value, list) and all(map(_is_simple, value)):
        return FileValue(tuple(map(_text, value)), line)
    if _is_simple(value):
        return FileValue(_text(value), line)
    raise InvalidInput(f"{place}: {json.dumps(key)}: want text, a number, true or false, or an array of these")


def _is_simple(value: object) -> bool:
    return isinstance(value, str | float) or (isinstance(value, int) and abs(value) < _LARGEST)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?")
_KEY = re.compile(r"""\s*(?:"([^"\\]*)"|'([^']*)'|([A-Za-z0-9_.-]+))\s*=""")


def _key_lines(text: str) -> Mapping[tuple[str, str], int]:
    """Return the lines on which tables and keys begin, by both names, for messages: tomllib does not say.

    Within text of several lines something may look like a key: the first place counts.
    """
    found: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.fullmatch(line):
            table = match[1].strip("\"'")
            found.setdefault((table, ""), number)
        elif match := _KEY.match(line):
            key = next(group for group in match.groups() if group is not None)
            found.setdefault((table, key), number)
    return found
