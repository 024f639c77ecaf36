"""The values that a user has set for flags, in ``PYSKOPEO_*`` variables and in ``config.toml``.

What is closer to the call wins: a flag on the command line, ``PYSKOPEO_COPY_JOBS``, ``PYSKOPEO_JOBS``, ``jobs`` below
``[copy]`` in the file, ``jobs`` at its top. A value is put aside if a stronger one excludes it (`flag_conflicts`).
Nothing of this is for a program that is called ``skopeo``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config.defaults_file import DefaultsFile, FileValue, Value, load
from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from .command import GLOBAL, Command
from .defaults_location import FILE_VARIABLE, PREFIX, defaults_path
from .flag_conflicts import is_excluded, needed
from .flags import Flag, Parsed, boolean
from .known_names import refuse_unknown_names

# Flags that say something different in each command that has them: a value for all commands would be wrong for some.
PER_COMMAND = frozenset({
    "all", "annotation", "check", "config", "dest", "format", "from", "html", "layers", "media-type", "out", "output",
    "path", "passphrase-file", "referrers", "type",
})  # fmt: skip
_SECRET = re.compile(r"(?:(?:src-|dest-)?(?:creds|password|registry-token)|[sd]creds|decryption-key)")
_CREDENTIALS = ("creds", "no-creds", "username", "password")
_PATHS = ("PATH", "DIR", "FILE")


@dataclass(frozen=True, slots=True)
class Default:
    """A value that is set for a flag; ``command`` is "" if it is for every command that has the flag.

    ``origin`` is the name of a variable, or the file with the ``line``, which is 0 for a variable.
    """

    name: str
    command: str
    value: Value
    origin: str
    line: int = 0


def is_secret(name: str) -> bool:
    """Return whether the value of a flag is a secret, or may contain one."""
    return _SECRET.fullmatch(name) is not None


def apply_defaults(command: Command[Any], parsed: Parsed, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Set the flags of ``parsed`` that are not given and have a default; return where each is from, by its name.

    Raises `InvalidInput`, and `StorageFailed` for a file that cannot be read.
    """
    flags = {flag.name: flag for flag in (*GLOBAL, *command.flags)}
    file = load_file(environ)
    if file is not None:
        refuse_unknown_names(file, command, flags)
        refuse_unfit_keys(file)
    origins: dict[str, str] = {}
    decided = set(parsed.given)
    for layer in layers(command.name, flags, file, environ):
        fitting = [one for one in layer if one.name not in decided]
        # Within a layer nothing is put aside: what does not go together there is a mistake, which the command reports.
        for one in [one for one in fitting if not is_excluded(one.name, parsed.values, parsed.given)]:
            decided.add(one.name)
            if (values := read_default(flags[one.name], one)) is not None:
                for value in values:
                    parsed.add(flags[one.name], value)
                parsed.inherited.add(one.name)
                origins[one.name] = one.origin
    for name in list(origins):
        partners = needed(command.name, name)
        if partners and not any(parsed.values.get(partner) for partner in partners):
            _unset(flags[name], parsed)
            del origins[name]
    return origins


def _unset(flag: Flag, parsed: Parsed) -> None:
    parsed.values[flag.name] = [] if flag.repeat else flag.default
    parsed.given.discard(flag.name)
    parsed.inherited.discard(flag.name)


def load_file(environ: Mapping[str, str]) -> DefaultsFile | None:
    """Return the user's file, None without one; raises `InvalidInput` and `StorageFailed`."""
    path = defaults_path(environ)
    return load(Path(path), must_exist=FILE_VARIABLE in environ) if path else None


def layers(
    command: str, flags: Mapping[str, Flag], file: DefaultsFile | None, environ: Mapping[str, str]
) -> Iterator[list[Default]]:
    """Yield what is set for the flags of one command, the strongest layer first; raises `InvalidInput`."""
    yield list(_from_environ(command, flags, environ))
    yield list(_from_environ("", flags, environ))
    if file is not None:
        yield list(_from_table(command, file.commands.get(table_name(command), {}), flags, file))
        yield list(_from_table("", file.shared, flags, file))


def table_name(command: str) -> str:
    """Return the name of a command's table in the file: ``store-prune`` for ``store prune``."""
    return command.replace(" ", "-")


def variable(command: str, flag: str) -> str:
    """Return the variable for a flag of one command, or of all commands if that is ""."""
    return PREFIX + re.sub("[^A-Z0-9]", "_", (f"{command} {flag}" if command else flag).upper())


def _from_environ(command: str, flags: Mapping[str, Flag], environ: Mapping[str, str]) -> Iterator[Default]:
    for name, flag in flags.items():
        origin = variable(command, name)
        text = environ.get(origin)
        if not text or origin == FILE_VARIABLE:
            continue
        if not command and name in PER_COMMAND:
            raise InvalidInput(f"{origin}: {_not_shared(name)}: set PYSKOPEO_COPY_{origin.removeprefix(PREFIX)}, "
                               "for example, for the command copy")  # fmt: skip
        value: Value = tuple(text.splitlines()) if flag.repeat else text
        if flag.implied is not None and text in ("true", "false"):
            value = text == "true"
        yield Default(name, command, value, origin)


def _from_table(
    command: str, table: Mapping[str, FileValue], flags: Mapping[str, Flag], file: DefaultsFile
) -> Iterator[Default]:
    for name, found in table.items():
        if name in flags:
            yield Default(name, command, found.value, file.place(found.line), found.line)


def refuse_unfit_keys(file: DefaultsFile) -> None:
    """Raise `InvalidInput` for keys that cannot stand where they do, and for secrets in a file that others can read."""
    for name, found in file.shared.items():
        if name in PER_COMMAND:
            raise InvalidInput(f"{file.place(found.line)}: {_not_shared(name)}: write it below the name of one, such "
                               "as [copy]")  # fmt: skip
    for table in (file.shared, *file.commands.values()):
        for name, found in table.items():
            if is_secret(name) and not file.private:
                raise InvalidInput(f"{file.place(found.line)}: {name} is a secret, and others can read the file: "
                                   f"chmod 600 {file.where}")  # fmt: skip


def _not_shared(name: str) -> str:
    return f"--{name} is something else in each command that has it"


def read_default(flag: Flag, default: Default) -> list[object] | None:
    """Return the values to set, one by one, or None if the flag is not to be given; raises `InvalidInput`."""
    value = default.value
    texts: tuple[str, ...]
    if isinstance(value, bool):
        if flag.implied is not None:
            return flag_values(flag, (flag.implied,), default) if value else None
        if flag.read is not boolean:
            raise InvalidInput(f"{default.origin}: {flag.name}: want {flag.value or 'text'}, not true or false")
        texts = ("true" if value else "false",)
    elif isinstance(value, tuple):
        if not flag.repeat:
            raise InvalidInput(f"{default.origin}: {flag.name}: want one value, not an array")
        texts = value
    else:
        texts = (value,)
    return flag_values(flag, texts, default)


def flag_values(flag: Flag, texts: tuple[str, ...], default: Default) -> list[object]:
    """Convert the text of values as those on the command line are; raises `InvalidInput`."""
    values = []
    for text in texts:
        expanded = os.path.expanduser(text) if flag.value in _PATHS and text.startswith("~/") else text
        try:
            values.append(flag.read_value(expanded))
        except (ValueError, InvalidInput) as error:
            shown = "" if is_secret(flag.name) else f' "{text}"'
            raise InvalidInput(f"{default.origin}: invalid value{shown} for {flag.name}: {error}") from None
    return values


def with_origins(message: str, origins: Mapping[str, str]) -> str:
    """Add to a message about flags where those among them are set that are not on the command line."""
    words = set(re.findall(r"[a-z-]*[a-z]", message))
    notes = []
    for name, origin in origins.items():
        # Messages about credentials are skopeo's: without dashes, and the same for both sides of a copy.
        short = name.removeprefix("src-").removeprefix("dest-")
        if f"--{name}" in words or (short in _CREDENTIALS and short in words):
            notes.append(f"--{name} is set by {origin}")
    if not notes:
        return message
    first, newline, rest = message.partition("\n")
    return f"{first} ({'; '.join(notes)}){newline}{rest}"
