"""Help texts: their width, their parts, and what belongs on which page."""

from __future__ import annotations

import re

import pytest

from pyskopeo.cli.command import GLOBAL, SUMMARIES, VERSION, CommandGroup, every_command, load_command
from pyskopeo.cli.flags import GROUPS as FLAG_GROUPS
from pyskopeo.cli.flags import HELP, Flag
from pyskopeo.cli.help import (
    TASKS,
    command_help,
    flag_table,
    flags_by_group,
    group_help,
    overview,
    topic_help,
    usage_line,
)
from pyskopeo.cli.topics import ABOUT_HELP, TOPICS

COMMANDS = {command.name: command for command in every_command()}
LOADED = {name: load_command(name) for name in SUMMARIES if name != "help"}
GROUPS = {name: command for name, command in LOADED.items() if isinstance(command, CommandGroup)}
PAGES = ["overview", "help", *TOPICS, *GROUPS, *COMMANDS]
SECTIONS = {"Examples", *FLAG_GROUPS.values(), "Global flags"}


def page(name: str) -> str:
    if name == "overview":
        return overview()
    if name == "help" or name in TOPICS:
        return topic_help(TOPICS.get(name, ABOUT_HELP))
    return group_help(GROUPS[name]) if name in GROUPS else command_help(COMMANDS[name])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return monkeypatch


def test_the_table_of_flags_is_sorted_aligned_and_wrapped() -> None:
    flags = (
        Flag("zebra", "last"),
        Flag("apple", "words " * 20, short="a", value="KIND"),
        Flag("hidden", "unseen", hidden=True),
    )
    lines = flag_table(flags).splitlines()
    assert lines[0].startswith("  -a, --apple KIND  words words")
    assert all(line.startswith(" " * 20 + "words") for line in lines[1:-1])
    assert len(lines) > 2
    assert lines[-1] == "      --zebra       last"
    assert max(map(len, lines)) <= 80


def test_a_flag_that_is_too_long_has_its_text_below() -> None:
    name = "long-" * 10 + "name"
    assert flag_table((Flag(name, "what it does"), Flag("x", "y"))).splitlines() == [
        f"      --{name}", " " * 34 + "what it does", "      --x" + " " * 25 + "y",
    ]  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_80_columns_in_a_pipe(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # of a terminal that is not where the page goes
    lines = page(name).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if line != line.rstrip()] == []
    assert "\x1b" not in page(name)


@pytest.mark.parametrize("columns", [60, 120, 200])
def test_pages_are_as_wide_as_the_terminal(columns: int, terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("COLUMNS", str(columns))
    terminal.setenv("NO_COLOR", "1")
    for name in ("overview", "copy", "sync", "environment", "layout"):
        widest = max(map(len, page(name).splitlines()))
        assert widest <= min(columns, 120), name
    assert widest_text(page("copy")) > min(columns, 120) - 12


def widest_text(text: str) -> int:
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize(("variable", "value", "colored"), [("TERM", "xterm", True), ("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False)])
def test_colours_change_nothing_but_the_colour(
    terminal: pytest.MonkeyPatch, variable: str, value: str, colored: bool
) -> None:
    terminal.setenv("COLUMNS", "80")
    terminal.setenv(variable, value)
    for name in ("overview", "copy", "environment"):
        shown = page(name)
        assert ("\x1b[" in shown) == colored
        plain = re.sub(r"\x1b\[[0-9]*m", "", shown)
        terminal.setenv("NO_COLOR", "1")
        assert plain == page(name)
        terminal.setenv("NO_COLOR", "") if variable == "TERM" else terminal.setenv(variable, value)


def test_the_overview_has_every_command_by_what_it_is_for() -> None:
    known = [name for names in TASKS.values() for name in names]
    assert len(known) == len(set(known))
    assert set(known) == SUMMARIES.keys()
    assert flag_table((*GLOBAL, VERSION, HELP)) in overview()
    assert "Other commands:" not in overview()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_the_flags_of_the_command_by_group_and_names_the_global_ones(name: str) -> None:
    command = COMMANDS[name]
    text = page(name)
    assert " ".join(text.partition("\n\n")[0].split()) == f"Usage: {usage_line(command)}"
    titles = re.findall(r"^(\S.*):$", text, re.MULTILINE)
    sections = [title for title in titles if title in SECTIONS]
    assert sections == ["Examples", *(title for title, _ in flags_by_group(command.flags)), "Global flags"]
    for flag in (*command.flags, *GLOBAL):
        assert flag.hidden or re.search(rf"--{re.escape(flag.name)}(?![a-z-])", text), flag
    examples = text.partition("\nExamples:\n")[2].partition("\n\n")[0]
    assert [" ".join(line.split()) for line in re.sub(r" \\\n +", " ", examples).splitlines()] == [
        " ".join(example.split()) for example in command.examples
    ]


def test_lists_in_descriptions_are_aligned() -> None:
    assert (
        "\n  docker          HOST/REPOSITORY[:TAG]: an image, or all tags of a repository\n"
        "  registry        HOST[/PATH]: all tags of all repositories, or of those below\n"
        "                  PATH\n"
        "  dir             a directory: every image in it; as a destination, one\n"
        "                  directory for each image\n"
    ) in page("sync")
    assert "\n  docker.io:\n    platforms: [linux/amd64, linux/arm64]\n" in page("lock")


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
