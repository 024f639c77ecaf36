"""The list of commands, and what each of them consists of."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from pyskopeo.cli.command import GLOBAL, SUMMARIES, load_command

COMMANDS = [name for name in SUMMARIES if name != "help"]


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_one_frozen_value_with_types(name: str) -> None:
    command = load_command(name)
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


@pytest.mark.parametrize("name", COMMANDS)
def test_names_of_flags_are_unique(name: str) -> None:
    command = load_command(name)
    assert command.name == name
    names = [flag.name for flag in command.flags]
    assert len(names) == len(set(names))
    # A command may give a global flag a meaning of its own.
    assert set(names) & {flag.name for flag in GLOBAL} <= {"tls-verify"}
    shorts = [flag.short for flag in command.flags if flag.short]
    assert len(shorts) == len(set(shorts))
