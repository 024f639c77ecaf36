"""Examples in the documents are command lines and files that the program accepts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.cli.command import GLOBAL, HIDDEN, VERSION, every_command
from pyskopeo.cli.flags import parse
from pyskopeo.config.policy import Policy
from pyskopeo.config.registries_d import RegistriesD
from pyskopeo.model.reference import Reference
from pyskopeo.syncing.yaml_source import parse_yaml_source

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Those that a script makes of the program's own description have no examples of their own.
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
COMMANDS = {command.name: command for command in every_command()}
# Commands that need no example: their arguments are made by programs, or the page of the opposite command has them.
WITHOUT_EXAMPLE = {"credential-helper"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands_in(line: str) -> Iterator[list[str]]:
    """What stands behind ``pyskopeo`` in a command line of the shell, up to the next operator."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>;")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word in ("|", "<", ">", ";"):
            commands.append([])
        else:
            commands[-1].append(word)
    yield from (words[1:] for words in commands if words[:1] == ["pyskopeo"])


def examples(page: Path) -> Iterator[list[str]]:
    """Those in blocks of shell commands, and those within a line, as in tables."""
    text = page.read_text()
    shell = "".join(blocks(page, "console")).replace("\\\n", " ")
    for line in (line for line in shell.splitlines() if line.startswith("$ ")):
        yield from commands_in(line[2:])
    for line in re.findall(r"`(pyskopeo (?!COMMAND)[^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        yield from commands_in(line)


EXAMPLES = sorted({tuple(words) for page in PAGES for words in examples(page)})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_are_command_lines(page: Path) -> None:
    for words in examples(page):
        while words and words[0].startswith("-"):
            assert words.pop(0).removeprefix("--") in {flag.name for flag in (*GLOBAL, VERSION)}
        if not words or words[0].startswith("@"):
            continue
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS), None)
        if name is None:
            assert {words[0]} <= HIDDEN | {"help"} | {known.partition(" ")[0] for known in COMMANDS}, words
            continue
        parsed, _ = parse(words[len(name.split()) :], (*GLOBAL, *COMMANDS[name].flags))
        if page.parts[-2:-1] != ("reference",):
            command = COMMANDS[name]
            optional = not command.arguments or command.arguments.startswith("[")
            bare = optional or command.instead in parsed.given or len(words) == len(name.split())
            assert parsed.arguments or bare, words


def test_every_command_has_an_example() -> None:
    shown = {words[0] for words in EXAMPLES if words}
    assert {name.partition(" ")[0] for name in COMMANDS} - shown == WITHOUT_EXAMPLE - shown


def test_the_example_of_where_signatures_are() -> None:
    (text,) = (text for text in blocks(DOCS / "tasks" / "signatures.md", "yaml") if "team.yaml" in text)
    found = RegistriesD.parse(text, "team.yaml")
    image = Reference.parse("registry.example.com/team/app:1.4")
    assert found.uses_attachments(image)
    assert found.lookaside(image).startswith("https://")
    assert found.lookaside(image, write=True).startswith("file:///")


@pytest.mark.parametrize("page", ["tasks/mirror.md", "reference/lock-file.md"])
def test_the_examples_of_a_file_to_sync_from(page: str) -> None:
    (text,) = (text for text in blocks(DOCS / page, "yaml") if "images.yaml" in text)
    found = parse_yaml_source(text.encode(), "images.yaml")
    assert "docker.io" in [source.registry for source in found]
    assert not any(source.unknown for source in found)


def test_the_policy_is_one() -> None:
    """Strictly parsed: everything is rejected but what is signed."""
    (text,) = blocks(DOCS / "tasks" / "signatures.md", "json")
    policy = Policy.parse(text.encode(), "policy.json")
    assert [one.type for one in policy.default] == ["reject"]
    assert [one.type for scope in policy.transports["docker"].values() for one in scope] == ["sigstoreSigned"]
