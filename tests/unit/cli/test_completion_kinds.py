"""What completion offers is derived from the declarations, and fits what the program accepts."""

from __future__ import annotations

import pytest

from pyskopeo.cli.command import GLOBAL, every_command
from pyskopeo.cli.completion_kinds import Kind, argument_kinds, flag_kind, kinds_of_flags, takes_more
from pyskopeo.cli.flags import Flag

COMMANDS = {command.name: command for command in every_command()}
FLAGS = [(command.name, flag) for command in COMMANDS.values() for flag in (*GLOBAL, *command.flags)]
IMAGES, FILES, NOTHING = Kind("images"), Kind("files"), Kind()


@pytest.mark.parametrize(
    ("name", "kinds", "more"),
    [
        ("copy", [IMAGES, IMAGES], True),
        ("index create", [IMAGES, IMAGES], True),
        ("attach", [IMAGES, FILES], True),
        ("cat", [IMAGES, NOTHING], False),
        ("tag", [IMAGES, NOTHING], True),
        ("layout verify", [Kind("layouts")], False),
        ("layout split", [Kind("layouts"), Kind("directories")], False),
        ("sync", [FILES, FILES], False),
        ("prefetch", [FILES, NOTHING], True),
        ("completion", [Kind(words=("bash", "fish", "zsh"))], False),
    ],
)
def test_arguments(name: str, kinds: list[Kind], more: bool) -> None:
    assert (argument_kinds(COMMANDS[name]), takes_more(COMMANDS[name])) == (kinds, more)


def test_every_value_that_is_offered_is_accepted() -> None:
    for command, flag in FLAGS:
        for word in flag_kind(flag).words:
            assert flag.read_value(word) is not None, f"{command} {flag}"


@pytest.mark.parametrize("value", ["PATH", "FILE", "DIR", "IMAGE-NAME"])
def test_paths_and_images(value: str) -> None:
    expected = {"PATH": FILES, "FILE": FILES, "DIR": Kind("directories"), "IMAGE-NAME": IMAGES}
    assert flag_kind(Flag("x", "", value=value)) == expected[value]


def test_flags_that_differ_are_told_apart_by_command() -> None:
    kinds = kinds_of_flags(list(COMMANDS.values()))
    assert kinds["", "--progress"].words == ("auto", "bars", "plain", "json", "none")
    assert kinds["copy", "--format"].words == ("oci", "v2s1", "v2s2")
    assert kinds["inspect", "--format"] == NOTHING
    assert ("", "--format") not in kinds
