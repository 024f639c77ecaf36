"""The text that describes a command, parsed for all that shows it: terminal, man page, reference.

The text is plain: paragraphs, lists of terms and what they mean, and lines that stay as they are.
"""

from __future__ import annotations

import re
from itertools import groupby

from ..fast_dataclass import dataclass

_TERM = re.compile(r"  (\S+(?: \S+)*)(?: {2,}(\S.*))?")
_WORD = re.compile(r"""(?:[^\s'"]+|'[^']*'|"[^"]*"|['"])+""")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text that is filled: ``text`` is one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Terms:
    """A list: each of the ``rows`` is a term and what it means."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Lines that stay as they are, such as a part of a file."""

    lines: tuple[str, ...]


Block = Paragraph | Terms | Verbatim


def parse_description(text: str) -> list[Block]:
    """Return the blocks of a description.

    An empty line ends a block. Lines that begin with two spaces are a list if one of them has a term, two or more
    spaces and its meaning, which further lines, indented more, continue; else they stay as they are.
    """
    blocks: list[Block] = []
    for part in re.split(r"\n\s*\n", text.strip("\n")):
        for indented, group in groupby(part.splitlines(), lambda line: line.startswith("  ")):
            lines = list(group)
            blocks.append(_indented(lines) if indented else Paragraph(" ".join(" ".join(lines).split())))
    return blocks


def _indented(lines: list[str]) -> Block:
    terms = [_TERM.fullmatch(line) for line in lines]
    if terms[0] is None or not any(term and term[2] for term in terms):
        return Verbatim(tuple(line.removeprefix("  ") for line in lines))
    rows: list[tuple[str, str]] = []
    for line, term in zip(lines, terms, strict=True):
        if term is not None:
            rows.append((term[1], term[2] or ""))
        else:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {line.strip()}".strip())
    return Terms(tuple(rows))


def wrap_command(command: str, width: int) -> list[str]:
    """Return the lines of a command line for a shell: each has at most ``width`` columns, if its words are that short.

    A line that goes on ends with a backslash, and the next one is indented; words in quotes are not divided.
    """
    words: list[str] = _WORD.findall(command)
    lines: list[str] = []
    while words:
        indent = "    " if lines else ""
        rest = indent + " ".join(words)
        if len(rest) <= width:
            return [*lines, rest]
        count = 1
        while count < len(words) and len(indent + " ".join(words[: count + 1])) <= width - 2:
            count += 1
        # A flag stays with its value, and an operator with what is behind it.
        while 1 < count < len(words) and words[count - 1].startswith(("-", "<", ">", "|")):
            count -= 1
        end = " \\" if count < len(words) else ""
        lines.append(indent + " ".join(words[:count]) + end)
        words = words[count:]
    return lines
