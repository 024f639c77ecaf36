"""The pages of ``--help``: an overview of the commands, one page for each, and topics.

They are as wide as the terminal, and 80 columns in a pipe. The program called ``skopeo`` has others: `skopeo_help`.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

from . import skopeo_help
from .command import GLOBAL, SUMMARIES, VERSION, Command, CommandGroup, program
from .description import Block, Paragraph, Terms, parse_description, wrap_command
from .flags import GROUPS, HELP, Flag
from .terminal import has_color
from .topics import TOPICS, Topic

_PIPE = 80  # columns
_NARROWEST, _WIDEST = 40, 120
_LONGEST_LINE = 100  # of text: longer ones are hard to read
_TITLE, _NAME = "1", "36"  # bold, cyan

EXAMPLES = (
    "pyskopeo inspect docker://docker.io/library/alpine",
    "pyskopeo copy docker://docker.io/library/alpine:3.20 oci:images:alpine",
    "pyskopeo sync --src docker --dest oci --latest 3 quay.io/team/app mirror",
)
# The commands by what they are for.
TASKS = {
    "Copy images": ("copy", "sync", "report", "tag", "delete", "index", "rebase"),
    "Look into images": ("inspect", "tree", "catalog", "list-tags", "ls", "cat", "du", "diff", "extract", "export"),
    "Verify and sign": (
        "verify", "generate-sigstore-key", "standalone-sign", "standalone-verify", "manifest-digest",
    ),
    "Attach files to images": ("referrers", "attach", "download", "detach"),
    "Keep images": ("layout", "store", "serve", "bundle"),
    "Build systems": ("lock", "prefetch", "nix-prefetch", "blob", "manifest", "credential-helper"),
    "Accounts": ("login", "logout"),
    "This program": ("config", "completion", "help", "version"),
}  # fmt: skip


def page_width() -> int:
    """Return the columns of a page: those of the terminal within limits, or 80 in a pipe."""
    if not sys.stdout.isatty():
        return _PIPE
    return min(_WIDEST, max(shutil.get_terminal_size().columns, _NARROWEST))


def overview() -> str:
    """Return the page of the program: its commands by what they are for, and its global flags."""
    if program() == "skopeo":
        return skopeo_help.overview()
    commands = [
        (title, [(name, SUMMARIES[name]) for name in names if name in SUMMARIES]) for title, names in commands_by_task()
    ]
    column = 4 + max(len(name) for _, rows in commands for name, _ in rows)
    topics = [(f"help {name}", topic.summary) for name, topic in TOPICS.items()]
    return "\n\n".join((
        _usage(f"{program()} [flags] COMMAND [command flags]"),
        "Copy and inspect container images, without a daemon.",
        _section("Examples", _examples(EXAMPLES)),
        *(_section(title, _list(rows, column)) for title, rows in commands),
        _section("Topics", _list(topics, column)),
        _section("Global flags", flag_table((*GLOBAL, VERSION, HELP))),
        "\n".join((
            _filled("An argument @FILE stands for the lines of a file, one argument each."),
            _filled(f"'{program()} COMMAND --help' shows the flags of a command."),
        )),
    ))  # fmt: skip


def commands_by_task() -> list[tuple[str, tuple[str, ...]]]:
    """Return titles and names of commands; those that `TASKS` does not have are at the end."""
    known = {name for names in TASKS.values() for name in names}
    rest = tuple(name for name in SUMMARIES if name not in known)
    return [*TASKS.items(), *([("Other commands", rest)] if rest else [])]


def group_help(group: CommandGroup) -> str:
    """Return the page of a command that has sub-commands."""
    if program() == "skopeo":
        return skopeo_help.group_help(group)
    rows = [(name, command.summary) for name, command in zip(group.names, group.commands, strict=True)]
    name = f"{program()} {group.name}"
    return "\n\n".join((
        _usage(f"{name} COMMAND [command flags]"),
        _described(group.description),
        _section("Commands", _list(rows, 4 + max(len(row[0]) for row in rows))),
        _global_flags(),
        _filled(f"'{name} COMMAND --help' shows the flags of a command."),
    ))  # fmt: skip


def command_help(command: Command[object]) -> str:
    """Return the page of a command."""
    if program() == "skopeo":
        return skopeo_help.command_help(command)
    column = _column([flag for flag in command.flags if not flag.hidden])
    names_images = "IMAGE" in command.arguments
    return "\n\n".join((
        _usage(usage_line(command)),
        _described(command.whole_description),
        *([_section("Examples", _examples(command.examples))] if command.examples else []),
        *(_section(title, flag_table(flags, column)) for title, flags in flags_by_group(command.flags)),
        _global_flags(),
        *([f"'{program()} help image-names' shows how images are named."] if names_images else []),
    ))  # fmt: skip


def topic_help(topic: Topic) -> str:
    """Return the page of a topic."""
    return f"{_painted(topic.title, _TITLE)}\n\n{_described(topic.text)}"


def usage_line(command: Command[object]) -> str:
    """Return how a command is called, in one line."""
    flags = " [flags]" if any(not flag.hidden for flag in command.flags) else ""
    return f"{program()} {command.name}{flags} {command.arguments}".rstrip()


def flags_by_group(flags: Iterable[Flag]) -> list[tuple[str, list[Flag]]]:
    """Return titles and the flags below them, sorted by name, without those that are hidden."""
    shown = sorted((flag for flag in flags if not flag.hidden), key=lambda flag: flag.name)
    titles = {**GROUPS, "": "Other flags"}
    found = {group: [flag for flag in shown if flag.group == group] for group in titles}
    return [(title, found[group]) for group, title in titles.items() if found[group]]


def flag_table(flags: Sequence[Flag], column: int = 0) -> str:
    """Return a table of flags, sorted by name; what they do begins at ``column``, 0: where it is best for them."""
    shown = sorted((flag for flag in flags if not flag.hidden), key=lambda flag: flag.name)
    column = column or _column(shown)
    return "\n".join(_row(*_flag_cells(flag), flag.help, column) for flag in shown)


def _column(flags: Iterable[Flag]) -> int:
    """Return where the descriptions begin: behind the longest flag, unless that leaves them too little."""
    longest = max((len(_flag_cells(flag)[0]) for flag in flags), default=0)
    return min(longest + 2, page_width() * 3 // 7)


def _flag_cells(flag: Flag) -> tuple[str, str]:
    """Return how a flag is written, plain and with colour."""
    value = flag.value if flag.implied is not None else f" {flag.value}".rstrip()
    short = f"-{flag.short}" if flag.short else ""
    before, between = "  " if short else "      ", ", " if short else ""
    painted = (_painted(short, _NAME) if short else "") + between + _painted(f"--{flag.name}", _NAME)
    return f"{before}{short}{between}--{flag.name}{value}", f"{before}{painted}{value}"


def _list(rows: Iterable[tuple[str, str]], column: int) -> str:
    return "\n".join(_row(f"  {name}", f"  {_painted(name, _NAME)}", text, column) for name, text in rows)


def _row(left: str, painted: str, text: str, column: int) -> str:
    """Return two cells: ``left``, shown as ``painted``, and text that begins at ``column``, below if left is longer."""
    lines = textwrap.wrap(text, page_width() - column, break_on_hyphens=False) or [""]
    filled = [" " * column + line for line in lines]
    if len(left) > column - 2:
        return "\n".join((painted, *filled))
    return "\n".join((f"{painted}{' ' * (column - len(left))}{lines[0]}", *filled[1:])).rstrip()


def _usage(line: str) -> str:
    """Return the line that says how a command is called; on a narrow page its rest is indented."""
    title = "Usage:"
    lines = textwrap.wrap(line, page_width() - len(title) - 1, break_on_hyphens=False, break_long_words=False)
    indent = "\n" + " " * (len(title) + 1)
    return f"{_painted(title, _TITLE)} {indent.join(lines)}"


def _section(title: str, text: str) -> str:
    return f"{_painted(f'{title}:', _TITLE)}\n{text}"


def _examples(examples: Iterable[str]) -> str:
    return "\n".join(f"  {line}" for example in examples for line in wrap_command(example, page_width() - 2))


def _global_flags() -> str:
    names = ", ".join(f"--{flag.name}" for flag in GLOBAL if not flag.hidden)
    filled = _filled(f"{names}; '{program()} --help' describes them.", "  ")
    return _section("Global flags", filled)


def _described(text: str) -> str:
    return "\n\n".join(_block(block) for block in parse_description(text))


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return _filled(block.text)
    if isinstance(block, Terms):
        column = min(max(len(term) for term, _ in block.rows) + 4, page_width() // 3)
        return _list(block.rows, column)
    return "\n".join(f"  {line}" for line in block.lines)


def _filled(text: str, indent: str = "") -> str:
    width = min(page_width(), _LONGEST_LINE)
    return textwrap.fill(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _painted(text: str, code: str) -> str:
    """Return text in a colour or in bold, where the terminal shows that."""
    return f"\x1b[{code}m{text}\x1b[0m" if has_color(sys.stdout) else text
