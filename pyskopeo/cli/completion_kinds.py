"""What can follow on a command line, from the declarations of commands and flags: for the scripts of all shells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..fast_dataclass import dataclass
from ..transports import TRANSPORTS
from .command import GLOBAL, SUMMARIES, Command
from .flags import Flag

NAMES = ("pyskopeo", "skopeo")
SHELLS = ("bash", "fish", "zsh")

Commands = Sequence[Command[object]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value can be: one of ``words``, or by ``name`` ``files``, ``directories``, ``images`` or ``layouts``.

    With neither, the shell offers nothing.
    """

    name: str = ""
    words: tuple[str, ...] = ()


_NOTHING = Kind()
_BY_PLACEHOLDER = {
    "DIR": "directories", "DIRECTORY": "directories", "FILE": "files", "FILE...": "files", "IMAGE-NAME": "images",
    "IMAGES.yaml": "files", "LAYOUT": "layouts", "LOCK": "files", "MANIFEST": "files", "MANIFEST-FILE": "files",
    "PLACE": "images", "PREFIX": "files", "REPORT": "files", "REPORT...": "files", "SIGNATURE": "files",
    "oci:DIR[:NAME]": "layouts",
}  # fmt: skip
# The values of flags are paths on this machine, arguments of this name are paths in an image.
_FLAG_PATHS = ("PATH", "PATH[:PASSPHRASE]", "[PATTERN=]PATH", "DIGEST|FILE", "FILE|HOST:PORT")


def flag_kind(flag: Flag) -> Kind:
    """Return what the value of a flag can be."""
    if words := flag.choices or flag.offered:
        return Kind(words=words)
    if flag.is_boolean:
        return Kind(words=("true", "false")) if flag.implied is None else _NOTHING
    return Kind("files") if flag.value in _FLAG_PATHS else Kind(_BY_PLACEHOLDER.get(flag.value, ""))


def argument_kinds(command: Command[object]) -> list[Kind]:
    """Return what each argument of a command can be; the last one is for all that follow, if `takes_more`."""
    return [_argument_kind(name) for name in command.arguments.split()]


def takes_more(command: Command[object]) -> bool:
    """Return whether arguments can be repeated, before the last one or at the end."""
    return command.takes_more


def _argument_kind(name: str) -> Kind:
    name = name.strip("[]").removesuffix("...").strip("[]")
    if name == "SHELL":
        return Kind(words=SHELLS)
    if name == "COMMAND":
        return Kind(words=tuple(SUMMARIES))
    if name in ("SOURCE", "DESTINATION"):  # of a sync
        return Kind("files")
    if re.fullmatch(r"([A-Z-]+-)?IMAGE(-[A-Z]+|[0-9])?", name):
        return Kind("images")
    return Kind(_BY_PLACEHOLDER.get(name, ""))


def image_words(kind: str) -> list[str]:
    """Return the beginnings of image names: of all, or of layouts."""
    if kind == "layouts":
        return ["oci:"]
    return [f"{transport}:" + ("//" if transport == "docker" else "") for transport in TRANSPORTS]


def local_transports() -> list[str]:
    """Return the transports whose names go on with a path."""
    return [transport for transport in TRANSPORTS if transport not in ("docker", "docker-daemon")]


def kinds_of_flags(commands: Commands) -> Mapping[tuple[str, str], Kind]:
    """Return the kinds of all flags by command and word; for the command "" those that are the same in all commands."""
    found: dict[str, dict[str, Kind]] = {}
    for command in commands:
        for flag in (*GLOBAL, *command.flags):
            for word in flag_words(flag):
                found.setdefault(word, {})[command.name] = flag_kind(flag)
    same = {("", word): next(iter(kinds.values())) for word, kinds in found.items() if len(set(kinds.values())) == 1}
    different = {
        (command, word): kind
        for word, kinds in found.items() if ("", word) not in same
        for command, kind in kinds.items()
    }  # fmt: skip
    return same | different


def flag_words(flag: Flag) -> tuple[str, ...]:
    """Return how a flag is typed, without ``=``."""
    return (f"--{flag.name}", *([f"-{flag.short}"] if flag.short else []))


def shown(flags: Sequence[Flag]) -> list[Flag]:
    """Return the flags that help shows, sorted by name."""
    return sorted((flag for flag in flags if not flag.hidden), key=lambda flag: flag.name)


def words_of(flags: Sequence[Flag]) -> list[str]:
    """Return the flags that help shows as they are typed."""
    return [word for flag in shown(flags) for word in flag_words(flag)]


def words_with_value(commands: Commands) -> list[str]:
    """Return the flags that take the next word as their value."""
    every = {flag.name: flag for command in commands for flag in (*command.flags, *GLOBAL)}
    return words_of([flag for flag in every.values() if not flag.is_boolean])


def verbs(commands: Commands) -> list[str]:
    """Return the first words of the commands."""
    return list(dict.fromkeys(command.name.partition(" ")[0] for command in commands))


def topics() -> dict[str, str]:
    """Return what ``help`` describes besides commands, with a summary of each."""
    from .topics import TOPICS

    return {name: topic.summary for name, topic in TOPICS.items()}


def groups(commands: Commands) -> dict[str, list[Command[object]]]:
    """Return the sub-commands of each group, by its name."""
    found: dict[str, list[Command[object]]] = {}
    for command in commands:
        if " " in command.name:
            found.setdefault(command.name.partition(" ")[0], []).append(command)
    return found


def last_word(command: Command[object]) -> str:
    """Return the name of a command without that of its group."""
    return command.name.rpartition(" ")[2]
