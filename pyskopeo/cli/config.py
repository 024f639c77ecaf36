"""``pyskopeo config``: the values that the user has set for flags, and where each is from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..fast_dataclass import dataclass
from .command import GLOBAL, Command, every_command, program
from .defaults import Default, apply_defaults, is_secret, layers, load_file, read_default, refuse_unfit_keys, variable
from .defaults_location import FILE_VARIABLE, PREFIX, defaults_path
from .flags import Flag, Parsed, UsageError
from .known_names import refuse_unknown_keys, refuse_unknown_names
from .log import log
from .standard_streams import escape
from .verification_view import print_json
from .verify_flags import JSON

if TYPE_CHECKING:
    from ..config.defaults_file import DefaultsFile

_HIDDEN_VALUE = "***"
_LEAST_VALUE = 16  # columns of a value that a narrow terminal shows


@dataclass(frozen=True, slots=True)
class ConfigOptions:
    """The options of ``config``; ``command`` is None for what is set for any command."""

    command: Command[object] | None
    json: bool

    @classmethod
    def of(cls, parsed: Parsed) -> ConfigOptions:
        """Read the options; raises `UsageError`."""
        if program() == "skopeo":
            raise UsageError("values of variables and of config.toml do not count where the program is called skopeo")
        name = " ".join(parsed.arguments)
        known = {command.name: command for command in every_command()}
        if name and name not in known:
            below = sorted(one for one in known if one.startswith(f"{name} "))
            hint = f": want {', '.join(below)}" if below else ""
            raise UsageError(f"{ascii(name)} is no command{hint}\nTry '{program()} --help' for the list")
        return cls(known.get(name), parsed.get("json", bool))


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the output: a flag with its value, and where that is from; None is the value of the program.

    ``overridden`` is whether another row has a value for the same flag and the same commands, which counts instead.
    """

    name: str
    value: object
    default: Default | None = None
    overridden: bool = False

    @property
    def shown(self) -> str:
        """The value as one word of a table."""
        if self.default is not None and is_secret(self.name):
            return _HIDDEN_VALUE
        if isinstance(self.value, tuple | list):
            return ", ".join(map(str, self.value)) or "-"
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, float):
            return f"{self.value:g}"
        return "-" if self.value in (None, "") else str(self.value)


def run(options: ConfigOptions) -> int:
    """Check all that is set, and print it; raises `InvalidInput` for the first mistake."""
    commands = every_command()
    file = load_file(os.environ)
    if file is not None:
        refuse_unfit_keys(file)
        for command in commands:
            names = {flag.name for flag in (*GLOBAL, *command.flags)}
            refuse_unknown_names(file, command, names)
            refuse_unknown_keys(file, command, names)
    found = _every_default(commands, file)
    _warn_of_unknown_variables(commands)
    settings = _of_command(options.command, file) if options.command else _of_all(found)
    if options.json:
        print_json(_document(settings, file, options.command))
    else:
        _print(settings, file, options.command)
    return 0


def _every_default(commands: Sequence[Command[object]], file: DefaultsFile | None) -> list[Default]:
    """Return what is set, the strongest first, after reading each value; raises `InvalidInput`."""
    levels: tuple[list[Default], ...] = ([], [], [], [])
    for command in commands:
        flags = {flag.name: flag for flag in (*GLOBAL, *command.flags)}
        for level, layer in zip(levels, layers(command.name, flags, file, os.environ), strict=False):
            for default in layer:
                read_default(flags[default.name], default)
                if default not in level:
                    level.append(default)
    return [default for level in levels for default in level]


def _of_all(found: Sequence[Default]) -> list[Setting]:
    """Return the rows of what is set, the strongest first."""
    strongest: dict[tuple[str, str], Default] = {}
    for default in found:
        strongest.setdefault((default.name, default.command), default)
    return [
        Setting(one.name, one.value, one, overridden=strongest[one.name, one.command] is not one) for one in found
    ]  # fmt: skip


def _of_command(command: Command[object], file: DefaultsFile | None) -> list[Setting]:
    """Return every flag of a command that help shows, or that is set, with the value that counts."""
    flags = {flag.name: flag for flag in (*GLOBAL, *command.flags)}
    parsed = Parsed({flag.name: [] if flag.repeat else flag.default for flag in flags.values()})
    origins = apply_defaults(command, parsed, os.environ)
    found = [default for layer in layers(command.name, flags, file, os.environ) for default in layer]
    by_origin = {(default.name, default.origin): default for default in found}
    rows = []
    for name, flag in sorted(flags.items()):
        default = by_origin.get((name, origins.get(name, "")))
        if default is not None:
            rows.append(Setting(name, default.value, default))
        elif not flag.hidden:
            rows.append(Setting(name, _own_value(flag)))
    return rows


def _own_value(flag: Flag) -> object:
    """Return the value of a flag that is not set, if it is one that can be written."""
    return flag.default if isinstance(flag.default, str | int | float) else None


def _warn_of_unknown_variables(commands: Iterable[Command[object]]) -> None:
    known = {FILE_VARIABLE}
    for command in commands:
        for flag in (*GLOBAL, *command.flags):
            known |= {variable("", flag.name), variable(command.name, flag.name)}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            log("warning", f"{name}: no command has such a flag, so this variable has no effect")


def _document(
    settings: Iterable[Setting], file: DefaultsFile | None, command: Command[object] | None
) -> Mapping[str, Any]:
    return {
        "file": file.where if file is not None else defaults_path(os.environ) or None,
        "exists": file is not None,
        "command": command.name if command else None,
        "settings": [_described(setting) for setting in settings],
    }


def _described(setting: Setting) -> Mapping[str, Any]:
    default = setting.default
    secret = default is not None and is_secret(setting.name)
    value = list(setting.value) if isinstance(setting.value, tuple) else setting.value
    return {
        "flag": setting.name,
        "value": _HIDDEN_VALUE if secret else value,
        "command": (default.command or None) if default else None,
        "origin": "default" if default is None else "file" if default.line else "variable",
        "variable": default.origin if default is not None and not default.line else None,
        "line": default.line or None if default else None,
        "overridden": setting.overridden,
    }


def _print(settings: Sequence[Setting], file: DefaultsFile | None, command: Command[object] | None) -> None:
    """Print a table on a terminal, and lines with tabs between the columns elsewhere."""
    from .text_output import TextOutput, print_lines

    out = TextOutput.of_stdout()
    rows = [_cells(setting, command, short=out.width is not None) for setting in settings]
    if out.width is None:
        for row in rows:
            print("\t".join(row))
        return
    path = escape(defaults_path(os.environ))
    print(f"{path}{'' if file is not None else ' (does not exist)'}" if path else f"{FILE_VARIABLE} is empty: no file")
    if not rows:
        print("No values are set: neither there nor by PYSKOPEO_* variables.")
        return
    print()
    head = ("FLAG", "VALUE", "FROM") if command else ("FLAG", "VALUE", "FOR", "FROM")
    print_lines(out.table(head, _with_short_values([head, *rows], out.width)[1:], frozenset()))


def _cells(setting: Setting, command: Command[object] | None, *, short: bool) -> tuple[str, ...]:
    """Return the cells of a row; ``short`` leaves out the directory of the file."""
    default = setting.default
    origin = "default" if default is None else default.origin
    if default is not None and default.line and short:
        origin = f"{os.path.basename(origin.rpartition(':')[0])}:{default.line}"
    if setting.overridden:
        origin += " (overridden)"
    scope = () if command else ((default.command if default else "") or "all",)
    return tuple(map(escape, (setting.name, setting.shown, *scope, origin)))


def _with_short_values(rows: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """Return rows whose values are cut so that all else fits into ``width`` columns."""
    from .text_output import columns, cut

    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    room = width - sum(widths) + widths[1] - 2 * (len(widths) - 1)
    return [(name, cut(value, max(room, _LEAST_VALUE)), *rest) for name, value, *rest in rows]


COMMAND = Command(
    name="config",
    arguments="[COMMAND...]",
    description=(
        "Show the values that are set for flags, and where each is from; with a COMMAND, those of all its\n"
        "flags. A flag on the command line comes first, then the variable PYSKOPEO_COMMAND_FLAG, such as\n"
        "PYSKOPEO_COPY_MULTI_ARCH, then PYSKOPEO_FLAG, then the file: first its table for the command,\n"
        "such as [copy] or [store-prune], then the keys at its top, which are for every command.\n"
        "The file is $PYSKOPEO_CONFIG, else pyskopeo/config.toml in $XDG_CONFIG_HOME or ~/.config."
    ),
    examples=(
        "pyskopeo config",
        "pyskopeo config copy",
        "pyskopeo config --json store prune",
    ),
    flags=(JSON,),
    read=ConfigOptions.of,
    run=run,
)
