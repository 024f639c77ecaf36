"""The lists of commands and flags are complete; without that they would save nothing."""

from __future__ import annotations

import pytest

from pyskopeo.cli.command import GLOBAL, SUMMARIES, Command, every_command, load_command
from pyskopeo.cli.defaults import PER_COMMAND, variable
from pyskopeo.cli.known_names import COMMANDS, FLAGS, command_names, flag_names, refuse_unknown_names
from pyskopeo.config.defaults_file import parse
from pyskopeo.errors import InvalidInput


def test_the_lists_are_those_of_the_program() -> None:
    assert not flag_names() ^ FLAGS | command_names() ^ COMMANDS, "correct pyskopeo/cli/known_names.py"


def test_a_variable_is_for_one_flag_only() -> None:
    for command in every_command():
        names = {flag.name for flag in (*GLOBAL, *command.flags)}
        variables = [variable(scope, name) for scope in ("", command.name) for name in names]
        assert len(set(variables)) == len(variables), command.name


def test_what_differs_between_commands_exists() -> None:
    assert PER_COMMAND <= FLAGS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nplatfrom = 1", 'F:2: unknown flag "platfrom"; did you mean platform?'),
        ("retry_times = 1", 'F:1: unknown flag "retry_times"; did you mean retry-times?'),
        ("--jobs = 1", 'F:1: unknown flag "--jobs"; did you mean jobs?'),
        ("zzzzzzz = 1", 'F:1: unknown flag "zzzzzzz"'),
        ("[cpoy]", 'F:1: unknown command "cpoy"; did you mean copy?'),
        ("[store]", 'F:1: unknown command "store"; want one of store-du, store-ls, store-prune, store-verify'),
        ("registries.d = 1", 'F: unknown command "registries"; the name of a flag with a dot is in quotes: "registries.d"'),
        ("[copy]\nalll = true", 'F:2: pyskopeo copy has no flag "alll"; did you mean all?'),
        ("[copy]\njobs = 1", 'F:2: pyskopeo copy has no flag "jobs"'),
    ],
)
def test_mistyped_names(text: str, message: str) -> None:
    copy = load_command("copy")
    assert isinstance(copy, Command)
    with pytest.raises(InvalidInput) as caught:
        refuse_unknown_names(parse(text, "F"), copy, {flag.name for flag in (*GLOBAL, *copy.flags)})
    assert str(caught.value) == message


def test_names_for_other_commands_are_accepted() -> None:
    copy = load_command("copy")
    assert isinstance(copy, Command)
    refuse_unknown_names(parse("jobs = 1\n[store-prune]\nmax-size = '1G'", "F"), copy, set(SUMMARIES))
