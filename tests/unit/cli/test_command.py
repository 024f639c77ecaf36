"""The list of commands, and what each of them consists of."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from pyskopeo.cli.command import GLOBAL, SUMMARIES, Command, CommandGroup, every_command, load_command
from pyskopeo.cli.flags import Parsed, UsageError

COMMANDS = every_command()


def named(command: Command[object]) -> str:
    return command.name


@pytest.mark.parametrize("command", COMMANDS, ids=named)
def test_options_are_one_frozen_value_with_types(command: Command[object]) -> None:
    options = getattr(command.read, "__self__", None)
    assert isinstance(options, type)
    assert is_dataclass(options)
    assert fields(options)
    for field in fields(options):
        assert "Any" not in str(field.type), field.name
    with pytest.raises(FrozenInstanceError):
        setattr(object.__new__(options), fields(options)[0].name, None)
    (parameter,) = inspect.signature(command.run).parameters.values()
    assert parameter.annotation == options.__name__


def test_every_command_is_in_the_list() -> None:
    first = [command.name.partition(" ")[0] for command in COMMANDS]
    assert list(dict.fromkeys(first)) == sorted(SUMMARIES.keys() - {"help"})
    for name in set(first):
        loaded = load_command(name)
        assert loaded.name == name
        below = [command for command in COMMANDS if command.name.startswith(f"{name} ")]
        assert below == (list(loaded.commands) if isinstance(loaded, CommandGroup) else [])
        assert all(command.summary for command in below)


def nothing(parsed: Parsed) -> Parsed:
    return parsed


def success(parsed: Parsed) -> int:
    return 0


def command(name: str, arguments: str = "") -> Command[Parsed]:
    return Command(name, arguments, "", (), (), nothing, success, summary="a summary")


GROUP = CommandGroup("shelf", "Shelves", (command("shelf list"), command("shelf lift", "THING")))


def test_a_group_finds_its_commands() -> None:
    assert GROUP.names == ("list", "lift")
    assert GROUP.command("lift") is GROUP.commands[1]


@pytest.mark.parametrize(("name", "meant"), [("lis", "Did you mean 'list'?"), ("x", "The commands are list, lift.")])
def test_an_unknown_command_of_a_group(name: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        GROUP.command(name)
    first, second = str(caught.value).splitlines()
    assert first == f"Unrecognized command `pyskopeo shelf {name}`"
    assert second == f"{meant} Try 'pyskopeo shelf --help' for more information"


def test_a_command_without_arguments_takes_none() -> None:
    command("shelf list").check_count([])
    with pytest.raises(UsageError, match=r"^No arguments expected, got 1\nTry 'pyskopeo shelf list --help'"):
        command("shelf list").check_count(["a"])


@pytest.mark.parametrize("command", COMMANDS, ids=named)
def test_names_of_flags_are_unique(command: Command[object]) -> None:
    names = [flag.name for flag in command.flags]
    assert len(names) == len(set(names))
    # A command may give a global flag a meaning of its own.
    assert set(names) & {flag.name for flag in GLOBAL} <= {"tls-verify"}
    shorts = [flag.short for flag in command.flags if flag.short]
    assert len(shorts) == len(set(shorts))
