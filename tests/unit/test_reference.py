"""The reference page and the manual page are what the declarations of the commands say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyskopeo.cli.command import GLOBAL, every_command
from pyskopeo.cli.description import Paragraph, Terms, Verbatim
from scripts.referencelib import markdown, roff
from scripts.referencelib.files import reference_files

ROOT = Path(__file__).parents[2]
FILES = reference_files()
COMMANDS = every_command()
# Requests of man(7) that are used.
MACROS = {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".BR", ".I", ".RS", ".RE", ".nf", ".fi", ".ad", ".nh", '.\\"'}


@pytest.mark.parametrize("path", FILES)
def test_the_files_are_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text() == FILES[path], "run scripts/reference"


def section(text: str, heading: str) -> str:
    return text.partition(f"\n{heading}\n")[2].partition(f"\n{heading.split(maxsplit=1)[0]} ")[0]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_has_its_flags_in_both(command: object) -> None:
    (found,) = (one for one in COMMANDS if one is command)
    page = section(FILES["docs/reference/commands.md"], f"### {found.name}")
    manual = section(FILES["man/pyskopeo.1"], f".SS {found.name}".replace("-", "\\-")).replace("\\-", "-")
    for flag in found.flags:
        if not flag.hidden:
            assert re.search(rf"[`>]--{re.escape(flag.name)}(?![\w-])", page), flag
            assert re.search(rf"--{re.escape(flag.name)}(?![\w-])", manual), flag
    assert page.count("$ pyskopeo") + page.count("$ zstd") >= len(found.examples)


def test_every_flag_is_described_once_or_where_it_belongs() -> None:
    text = FILES["docs/reference/commands.md"]
    for flag in (*GLOBAL, *(flag for command in COMMANDS for flag in command.flags)):
        if not flag.hidden:
            assert flag.help == "" or f"| {markdown._text(flag.help)} |" in text, flag
    assert text.count("| bearer token for the registry |") == 1


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("a --flag, oci:DIR.", "a `--flag`, `oci:DIR`."),
        ("a_b *c* [d] <e> `f` x|y", r"a\_b \*c\* \[d\] &lt;e> \`f\` x&#124;y"),
        ("(default: $HOME)", "(default: `$HOME`)"),
        ("docker://HOST/NAME, or dir:DIR;", "`docker://HOST/NAME`, or `dir:DIR`;"),
        ("not a--flag - nor --", "not a--flag - nor --"),
    ],
)
def test_plain_text_as_markdown(text: str, page: str) -> None:
    assert markdown._text(text) == page


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a --flag", r"a \-\-flag"), (".TH", r"\&.TH"), ("'x'", r"\&\(aqx\(aq"), (r"^1\.", r"\(ha1\e."), ('`~"', r"\(ga\(ti\(dq"),
    ],
)  # fmt: skip
def test_plain_text_as_roff(text: str, line: str) -> None:
    assert roff._line(text) == line


def test_blocks() -> None:
    terms = Terms((("oci", "a layout"),))
    assert (markdown._block(terms), roff._block(terms)) == ("* `oci`: a layout", ".TP\n.B oci\na layout")
    lines = Verbatim(("a:", "  - b"))
    assert (markdown._block(lines), roff._block(lines)) == ("```\na:\n  - b\n```", ".RS\n.nf\na:\n  \\- b\n.fi\n.RE")
    assert (markdown._block(Paragraph("x")), roff._block(Paragraph("x"))) == ("x", ".PP\nx")


def test_the_manual_page_has_no_request_by_accident() -> None:
    lines = FILES["man/pyskopeo.1"].splitlines()
    assert {line.split()[0] for line in lines if line.startswith((".", "'"))} <= MACROS
    assert "" not in lines
    escapes = set(re.findall(r"\\(.)", "\n".join(line for line in lines if not line.startswith('.\\"'))))
    assert escapes <= set("-e&f(")
