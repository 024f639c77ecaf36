"""What the reference tells: the commands by what they are for, with their flags, and the flags that many share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyskopeo.cli.command import GLOBAL, SUMMARIES, VERSION, Command, CommandGroup, load_command
from pyskopeo.cli.description import Block, parse_description
from pyskopeo.cli.flags import HELP, Flag
from pyskopeo.cli.help import commands_by_task, flags_by_group, usage_line
from pyskopeo.cli.topics import ABOUT_HELP

# Flags of these groups that so many commands have are described once.
_SHARED_GROUPS = ("source", "images", "registry", "network")
_MANY = 8

Titled = list[tuple[str, list[Flag]]]
_Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Entry:
    """One command, or a group of commands, which has no examples and no flags; ``shared`` names flags of many."""

    name: str
    summary: str
    usage: str
    description: list[Block]
    examples: tuple[str, ...]
    flags: Titled
    shared: list[str]


@dataclass(frozen=True)
class Contents:
    """All of it: ``tasks`` are titles with commands, ``shared`` flags of many commands, ``everywhere`` those of all."""

    tasks: list[tuple[str, list[Entry]]]
    shared: Titled
    everywhere: list[Flag]


def collect() -> Contents:
    """Read the declarations of all commands."""
    shared = _shared_flags()
    tasks = [
        (title, [entry for name in names if name in SUMMARIES for entry in _entries(name, shared)])
        for title, names in commands_by_task()
    ]
    everywhere = sorted((flag for flag in (*GLOBAL, VERSION, HELP) if not flag.hidden), key=lambda flag: flag.name)
    return Contents(tasks, flags_by_group(shared.values()), everywhere)


def _commands() -> Iterable[Command[object]]:
    for name in (name for name in SUMMARIES if name != "help"):
        loaded = load_command(name)
        yield from loaded.commands if isinstance(loaded, CommandGroup) else (loaded,)


def _key(flag: Flag) -> _Key:
    return flag.name, flag.short, flag.value, flag.help


def _shared_flags() -> dict[_Key, Flag]:
    """Return the flags that many commands have, of those whose name means the same in all of them."""
    every = [flag for command in _commands() for flag in command.flags if flag.group in _SHARED_GROUPS]
    count = Counter(map(_key, every))
    found = {_key(flag): flag for flag in every if count[_key(flag)] >= _MANY and not flag.hidden}
    names = Counter(flag.name for flag in found.values())
    return {key: flag for key, flag in found.items() if names[flag.name] == 1}


def _entries(name: str, shared: dict[_Key, Flag]) -> list[Entry]:
    if name == "help":
        usage = "pyskopeo help [COMMAND | TOPIC]"
        return [Entry(name, SUMMARIES[name], usage, parse_description(ABOUT_HELP.text), (), [], [])]
    loaded = load_command(name)
    if isinstance(loaded, CommandGroup):
        usage = f"pyskopeo {name} COMMAND [command flags]"
        group = Entry(name, SUMMARIES[name], usage, parse_description(loaded.description), (), [], [])
        return [group, *(_entry(command, command.summary, shared) for command in loaded.commands)]
    return [_entry(loaded, SUMMARIES[name], shared)]


def _entry(command: Command[object], summary: str, shared: dict[_Key, Flag]) -> Entry:
    own = [flag for flag in command.flags if _key(flag) not in shared]
    names = sorted(flag.name for flag in command.flags if _key(flag) in shared)
    return Entry(
        command.name, summary, usage_line(command), parse_description(command.whole_description),
        command.examples, flags_by_group(own), names,
    )  # fmt: skip


def written(flag: Flag) -> tuple[Sequence[str], str]:
    """Return the names of a flag with their dashes, and the rest of how it is written, such as `` PATH``."""
    names = [f"--{flag.name}", *([f"-{flag.short}"] if flag.short else [])]
    return names, flag.value if flag.implied is not None else f" {flag.value}".rstrip()
