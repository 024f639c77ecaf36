"""Descriptions are parsed into paragraphs, lists and lines that stay; command lines are wrapped for a shell."""

from __future__ import annotations

import shlex

import pytest

from pyskopeo.cli.description import Block, Paragraph, Terms, Verbatim, parse_description, wrap_command


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("", []),
        ("One\ntwo.\n\nThree.", [Paragraph("One two."), Paragraph("Three.")]),
        ("List:\n  a    first\n  bcd  second\n       line\n\nEnd.",
         [Paragraph("List:"), Terms((("a", "first"), ("bcd", "second line"))), Paragraph("End.")]),
        ("  a term, b\n         below\n  c  beside", [Terms((("a term, b", "below"), ("c", "beside")))]),
        ("  key:\n    - value\n  other: x", [Verbatim(("key:", "  - value", "other: x"))]),
        ("    deeper  than a list", [Verbatim(("  deeper  than a list",))]),
    ],
)  # fmt: skip
def test_blocks(text: str, blocks: list[Block]) -> None:
    assert parse_description(text) == blocks


@pytest.mark.parametrize(
    ("command", "width", "lines"),
    [
        ("a b c", 5, ["a b c"]),
        ("a b c d", 6, ["a b \\", "    c \\", "    d"]),
        ("run --flag 'two words' last", 24, ["run --flag 'two words' \\", "    last"]),
        ("run a --type kind/of-a-type", 17, ["run a \\", "    --type \\", "    kind/of-a-type"]),
        ("run a --type kind/of-a-type", 25, ["run a \\", "    --type kind/of-a-type"]),
        ("run it <<< 'some text'", 19, ["run it \\", "    <<< 'some text'"]),
        ("veryveryverylong x", 6, ["veryveryverylong \\", "    x"]),
        ("it's 1", 80, ["it's 1"]),
    ],
)
def test_command_lines(command: str, width: int, lines: list[str]) -> None:
    assert wrap_command(command, width) == lines


@pytest.mark.parametrize("width", range(20, 70, 7))
def test_a_wrapped_command_line_is_the_same_to_a_shell(width: int) -> None:
    command = """pyskopeo x --y 'a b' "c  d" <<< '{"uri": "https://h"}' | tar -tv > {f} docker://a/b:c@sha256:..."""
    lines = wrap_command(command, width)
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == shlex.split(command)
    assert all(len(line) <= width or len(line.split()) <= 6 for line in lines)
