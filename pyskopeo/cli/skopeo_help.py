"""The texts of ``--help`` of the program called ``skopeo``: of the shape that skopeo's have, 100 columns wide."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from .command import GLOBAL, SUMMARIES, VERSION, Command, CommandGroup, program
from .flags import Flag

_WIDTH = 100  # columns


def _width() -> int:
    """Return the width of a page: less than usual on a narrower terminal, where words would be cut in two."""
    return min(_WIDTH, max(shutil.get_terminal_size().columns, 60)) if sys.stdout.isatty() else _WIDTH


def overview() -> str:
    """Return the help text of the program: its commands and its global flags."""
    return (
        "Copy and inspect container images, without a daemon\n\n"
        f"Usage:\n  {program()} [flags] COMMAND [command flags]\n\n"
        f"Available Commands:\n{_commands(SUMMARIES)}\n\nFlags:\n{usage((*GLOBAL, VERSION))}\n\n"
        f'Use "{program()} COMMAND --help" for more information about a command.'
    )


def group_help(group: CommandGroup) -> str:
    """Return the help text of a command that has sub-commands."""
    summaries = {name: command.summary for name, command in zip(group.names, group.commands, strict=True)}
    return (
        f"{_described(group.description)}\n\nUsage:\n  {program()} {group.name} COMMAND [command flags]\n\n"
        f"Available Commands:\n{_commands(summaries)}\n\nGlobal Flags:\n{usage(GLOBAL)}\n\n"
        f'Use "{program()} {group.name} COMMAND --help" for more information about a command.'
    )


def _described(text: str) -> str:
    """Wrap the paragraphs of a description again that have lines which are too long for a page."""
    width = _width()
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if all(len(line) <= width for line in lines):
            paragraphs.append(paragraph)
        elif paragraph.startswith(" "):  # a list
            paragraphs.append("\n".join(textwrap.fill(line, width, subsequent_indent=" " * 10) for line in lines))
        else:
            paragraphs.append(textwrap.fill(paragraph, width, break_on_hyphens=False))
    return "\n\n".join(paragraphs)


def _commands(summaries: Mapping[str, str]) -> str:
    column = max(map(len, summaries)) + 5
    rows = ((f"  {name}", summary) for name, summary in sorted(summaries.items()))
    return _table(rows, column, _width())


def command_help(command: Command[object]) -> str:
    """Return the help text of a command."""
    examples = "\n".join(f"  {example}" for example in command.examples)
    flags = f"Flags:\n{usage(command.flags)}\n\n" if command.flags else ""
    arguments = f" {command.arguments}" if command.arguments else ""
    if not command.takes_more:
        arguments = arguments.replace("...", "")
    return (
        f"{_described(command.description)}\n\nUsage:\n  {program()} {command.name} [command flags]{arguments}\n\n"
        f"Examples:\n{examples}\n\n{flags}Global Flags:\n{usage(GLOBAL)}"
    )


def usage(flags: Sequence[Flag], width: int | None = None) -> str:
    """Return a table of the flags that are not hidden, sorted by name; descriptions wrap at ``width`` columns.

    None: 100, or those of a narrower terminal.
    """
    width = _width() if width is None else width
    rows = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        if not flag.hidden:
            short = f"-{flag.short}, " if flag.short else "    "
            value = flag.value if flag.implied is not None else f" {flag.value}"
            rows.append((f"  {short}--{flag.name}{value.rstrip()}", flag.help))
    return _table(rows, max(len(left) for left, _ in rows) + 3, width)


def _table(rows: Iterable[tuple[str, str]], column: int, width: int) -> str:
    """Format rows of two cells; the second begins at ``column`` and wraps at ``width``."""
    lines = []
    for left, text in rows:
        wrapped = textwrap.wrap(text, max(width - column, 30), break_on_hyphens=False) or [""]
        lines.append(left.ljust(column) + wrapped[0])
        lines += [" " * column + line for line in wrapped[1:]]
    return "\n".join(lines)
