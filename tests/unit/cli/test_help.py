"""Help texts: the table of flags, and what belongs on which page."""

from __future__ import annotations

import pytest

from pyskopeo.cli.command import GLOBAL, SUMMARIES, VERSION, CommandGroup, every_command, load_command
from pyskopeo.cli.flags import GROUPS as FLAG_GROUPS
from pyskopeo.cli.flags import Flag
from pyskopeo.cli.help import command_help, group_help, overview, usage

COMMANDS = {command.name: command for command in every_command()}
LOADED = {name: load_command(name) for name in SUMMARIES if name != "help"}
GROUPS = {name: command for name, command in LOADED.items() if isinstance(command, CommandGroup)}


def test_the_table_of_flags_is_sorted_aligned_and_wrapped() -> None:
    flags = (
        Flag("zebra", "last"),
        Flag("apple", "words " * 20, short="a", value="KIND"),
        Flag("hidden", "unseen", hidden=True),
    )
    lines = usage(flags, width=60).splitlines()
    assert lines[0].startswith("  -a, --apple KIND   words words")
    assert all(line.startswith(" " * 21 + "words") for line in lines[1:-1])
    assert len(lines) > 2
    assert lines[-1] == "      --zebra        last"
    assert max(map(len, lines)) <= 62


def test_the_overview_has_the_global_flags() -> None:
    assert usage((*GLOBAL, VERSION)) in overview()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_the_flags_of_the_command_and_the_global_ones(name: str) -> None:
    command = COMMANDS[name]
    page = command_help(command)
    assert page.endswith(f"Global Flags:\n{usage(GLOBAL)}")
    assert not command.flags or f"\nFlags:\n{usage(command.flags)}\n" in page
    assert max(map(len, page.splitlines())) <= 110
    described, _, _ = page.partition("\nUsage:")
    assert max(map(len, described.splitlines())) <= 100


@pytest.mark.parametrize("page", ["overview", *GROUPS, *COMMANDS])
def test_pages_fit_a_terminal_of_80_columns(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with `COLUMNS` set; examples are commands, which are not wrapped."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    text = overview() if page == "overview" else group_help(GROUPS[page]) if page in GROUPS else command_help(COMMANDS[page])
    lines = text.splitlines()
    assert [line for line in lines if len(line) > 80 and not line.startswith(f"  pyskopeo {page}")] == []
    assert max(map(len, lines)) > 70
    if page == "sync":
        assert "  oci     a layout: every image in it; the reference name is the name of the\n          image" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_descriptions_of_flags_are_in_one_style(name: str) -> None:
    """As in skopeo: a phrase that begins in lower case, except for abbreviations, and has no full stop."""
    for flag in (*COMMANDS[name].flags, *GLOBAL, VERSION):
        if not flag.hidden:
            assert flag.help
            assert flag.help.startswith("YAML") or flag.help[0].islower(), flag
            assert not flag.help.endswith("."), flag


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_that_is_shown_belongs_to_a_part_of_the_page(name: str) -> None:
    shown = [flag for flag in (*COMMANDS[name].flags, *GLOBAL, VERSION) if not flag.hidden]
    assert {flag.name: flag.group for flag in shown if flag.group not in FLAG_GROUPS} == {}
