"""The table of skopeo's verbs, transports and flags in the README says what is so, and leaves nothing out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pyskopeo.cli.command import GLOBAL, HIDDEN, VERSION, every_command
from pyskopeo.cli.flags import parse
from pyskopeo.config.policy import Policy
from pyskopeo.config.registries_d import RegistriesD
from pyskopeo.model.reference import Reference
from pyskopeo.syncing.yaml_source import parse_yaml_source
from pyskopeo.transports import TRANSPORTS
from tests.support import skopeo_flags as skopeo

README = Path(__file__).parents[2] / "README.md"
STATES = ("same", "better", "different on purpose", "not yet")


def braces(word: str) -> list[str]:
    """``--{a,b}-c`` is ``--a-c`` and ``--b-c``."""
    before, opened, rest = word.partition("{")
    if not opened:
        return [word]
    inner, _, after = rest.partition("}")
    return [before + each + after for each in inner.split(",")]


def table() -> dict[str, dict[str, list[str]]]:
    """The rows by what they are about: what is in which state."""
    section = README.read_text().partition("## Coming from skopeo\n")[2].partition("\n## ")[0]
    head, _, *rows = [
        [cell.strip() for cell in line[1:-1].split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    assert tuple(head[1:]) == STATES
    return {
        row[0].strip("`"): {
            state: [word for text in re.findall(r"`([^`]+)`", cell) for word in braces(text)]
            for state, cell in zip(STATES, row[1:], strict=True)
        }
        for row in rows
    }


ROWS = table()
COMMANDS = {command.name: command for command in every_command()}
OURS = {name.partition(" ")[0]: {flag.name for flag in command.flags} for name, command in COMMANDS.items()}
OURS["any verb"] = {flag.name for flag in (*GLOBAL, VERSION)} | {"help"}
THEIRS = {**skopeo.FLAGS, "any verb": skopeo.GLOBAL}


def test_every_verb_with_flags_has_a_row() -> None:
    assert ROWS.keys() == {"verbs", "transports", *THEIRS}


@pytest.mark.parametrize(
    ("row", "theirs", "ours"),
    [
        ("verbs", skopeo.VERBS, (OURS.keys() | HIDDEN) - {"any verb"}),
        ("transports", skopeo.TRANSPORTS, set(TRANSPORTS)),
        *((verb, flags, OURS[verb]) for verb, flags in THEIRS.items()),
    ],
)
def test_every_state_is_true(row: str, theirs: frozenset[str], ours: set[str]) -> None:
    found = {state: [word.removeprefix("--") for word in words] for state, words in ROWS[row].items()}
    every = [word for words in found.values() for word in words]
    assert len(every) == len(set(every)), "in two states"
    assert set(every) == theirs
    assert set(found.pop("not yet")) == theirs - ours
    for words in found.values():
        assert set(words) <= ours


@pytest.mark.parametrize("row", [row for row in ROWS if row not in ("verbs", "transports")])
def test_what_is_better_or_different_is_explained(row: str) -> None:
    section = README.read_text().partition("## Coming from skopeo\n")[2].partition("\n## ")[0].partition("</summary>")[2]
    prose = " ".join(line for line in section.splitlines() if not line.startswith("|"))
    for state in ("better", "different on purpose"):
        for word in ROWS[row][state]:
            short = re.sub(r"^--(src|dest)-(?=daemon)", "--", word)
            assert f"`{short}`" in prose, word


def test_its_verbs_are_spoken_of_by_our_help(capsys: pytest.CaptureFixture[str]) -> None:
    from pyskopeo.cli.main import main

    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb in skopeo.VERBS - set(ROWS["verbs"]["not yet"]) - HIDDEN:
        assert f"\n  {verb} " in shown


def examples() -> list[list[str]]:
    """What stands behind ``pyskopeo`` in each command line of the README, up to the next operator of the shell."""
    text = "".join(re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)).replace("\\\n", " ")
    found = []
    for line in (line for line in text.splitlines() if line.startswith("$ ")):
        lexer = shlex.shlex(line[2:], posix=True, punctuation_chars="|<>;")
        lexer.whitespace_split = True
        commands: list[list[str]] = [[]]
        for word in lexer:
            if word in ("|", "<", ">", ";"):
                commands.append([])
            else:
                commands[-1].append(word)
        found += [words[1:] for words in commands if words[:1] == ["pyskopeo"]]
    return found


EXAMPLES = examples()


@pytest.mark.parametrize("words", EXAMPLES, ids=" ".join)
def test_examples_are_command_lines(words: list[str]) -> None:
    name = next(name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS)
    parsed, _ = parse(words[len(name.split()) :], (*GLOBAL, *COMMANDS[name].flags))
    assert parsed.arguments or not COMMANDS[name].arguments


def test_there_are_examples() -> None:
    assert {words[0] for words in EXAMPLES} == OURS.keys() - {"any verb", "logout", "credential-helper"}


def yaml_example(name: str) -> str:
    """The example that begins with a comment with its name."""
    (text,) = (text for text in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL) if name in text[:80])
    return str(text)


def test_the_example_of_where_signatures_are() -> None:
    found = RegistriesD.parse(yaml_example("registries.d"), "team.yaml")
    image = Reference.parse("registry.example.com/team/app:1.4")
    assert found.uses_attachments(image)
    assert found.lookaside(image).startswith("https://")
    assert found.lookaside(image, write=True).startswith("file:///")


def test_the_example_of_a_file_to_sync_from() -> None:
    text = yaml_example("images.yaml")
    found = parse_yaml_source(text.encode(), "images.yaml")
    assert [source.registry for source in found] == ["docker.io", "quay.io"]
    assert not any(source.unknown for source in found)


def test_the_policy_is_one() -> None:
    """Strictly parsed: everything is rejected but what is signed."""
    (text,) = re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
    policy = Policy.parse(text.encode(), "README.md")
    assert [one.type for one in policy.default] == ["reject"]
    assert [one.type for scope in policy.transports["docker"].values() for one in scope] == ["sigstoreSigned"]
