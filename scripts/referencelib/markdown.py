"""The reference as a page of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyskopeo.cli.description import Block, Paragraph, Terms, wrap_command
from pyskopeo.cli.flags import Flag

from .contents import Contents, Entry, written

_HEAD = """\
<!-- Made by scripts/reference from the declarations of the commands: change these, and run it again. -->

# Commands

```text
pyskopeo [flags] COMMAND [command flags]
```

`pyskopeo COMMAND --help` shows the same in a terminal, `man pyskopeo` as a manual page. Flags may be before and after
arguments; `--flag=value` is `--flag value`, `--` ends the flags, and an argument `@FILE` stands for lines of a file.
Images are [named](image-names.md) `docker://HOST/NAME:TAG`, `oci:DIR:NAME` and so on; what [exit codes](exit-codes.md)
mean is the same for all commands.
"""
_WIDTH = 100
# Flags, names of images and of variables, and placeholders: as code.
_CODE = re.compile(
    r"(?<![\w/-])(--[a-z][a-z0-9.-]*[a-z0-9](?:=[^\s,.;:)]+)?"
    r"|(?:docker|docker-daemon|docker-archive|oci|oci-archive|dir|tarball|store|jwe):(?:[^\s,;)]*[^\s,;).])?"
    r"|\$[A-Z_]+)"
)


def render(contents: Contents) -> str:
    """Return the text of the page."""
    parts = [_HEAD]
    for title, entries in contents.tasks:
        rows = "\n".join(f"| [`{entry.name}`](#{_anchor(entry.name)}) | {_text(entry.summary)} |" for entry in entries)
        parts.append(f"| {title} | |\n|---|---|\n{rows}\n")
    for title, entries in contents.tasks:
        parts.append(f"## {title}\n")
        parts += [_command(entry) for entry in entries]
    parts.append("## Flags of many commands\n")
    for title, flags in contents.shared:
        parts.append(f"### {title}\n\n{_table(flags)}\n")
    everywhere = _table(contents.everywhere)
    parts.append(f"## Global flags\n\nEach command has these; they may also be before it.\n\n{everywhere}")
    return "\n".join(parts) + "\n"


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def _command(entry: Entry) -> str:
    parts = [f"### {entry.name}", f"```text\n{entry.usage}\n```", *map(_block, entry.description)]
    if entry.examples:
        lines = [line for example in entry.examples for line in wrap_command(f"$ {example}", _WIDTH)]
        parts.append("```console\n" + "\n".join(lines) + "\n```")
    parts += [_table(flags, title) for title, flags in entry.flags]
    if entry.shared:
        names = ", ".join(f"`--{name}`" for name in entry.shared)
        parts.append(f"And [flags of many commands](#flags-of-many-commands): {names}")
    return "\n\n".join(parts) + "\n"


def _table(flags: Iterable[Flag], title: str = "Flag") -> str:
    rows = "\n".join(f"| {_flag(flag)} | {_text(flag.help)} |" for flag in flags)
    return f"| {title} | |\n|---|---|\n{rows}"


def _flag(flag: Flag) -> str:
    names, value = written(flag)
    shown = ", ".join(f"`{name}`" for name in names[1:])
    # A bar would end the cell, even in code.
    first = f"<code>{names[0]}{value.replace('|', '&#124;')}</code>" if "|" in value else f"`{names[0]}{value}`"
    return f"{first}, {shown}" if shown else first


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return _text(block.text)
    if isinstance(block, Terms):
        return "\n".join(f"* `{term}`: {_text(text)}" for term, text in block.rows)
    return "```\n" + "\n".join(block.lines) + "\n```"


def _text(text: str) -> str:
    """Return plain text as Markdown: what is typed is code, and no character is markup by accident."""
    parts = _CODE.split(text)
    return "".join(f"`{part}`" if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _escaped(text: str) -> str:
    text = re.sub(r"([\\`*_\[\]{}#])", r"\\\1", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
