"""The reference as a manual page, in the language of man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyskopeo.cli.description import Block, Paragraph, Terms, parse_description, wrap_command
from pyskopeo.cli.flags import Flag
from pyskopeo.cli.help import EXAMPLES
from pyskopeo.cli.topics import TOPICS

from .contents import Contents, Entry, written

_HEAD = r""".\" Made by scripts/reference from the declarations of the commands: change these, and run it again.
.TH PYSKOPEO 1 "" "pyskopeo" "User Commands"
.\" Lines are not stretched, and words not divided.
.ad l
.nh
.SH NAME
pyskopeo \- copy and inspect container images, without a daemon
.SH SYNOPSIS
.B pyskopeo
[\fIflags\fR] \fICOMMAND\fR [\fIcommand flags\fR]
.SH DESCRIPTION
Copies images between registries, OCI layouts, archives, directories and Docker, and shows, verifies, signs and deletes
them. Flags may be before and after arguments;
.B \-\-flag=value
is
.BR "\-\-flag value" ,
.B \-\-
ends the flags, and an argument
.I @FILE
stands for the lines of a file.
"""
_SECTIONS = {"image-names": "IMAGE NAMES", "exit-codes": "EXIT STATUS", "environment": "ENVIRONMENT"}
_SEE_ALSO = (
    "skopeo(1)", "containers-auth.json(5)", "containers-certs.d(5)", "containers-policy.json(5)",
    "containers-registries.conf(5)", "containers-registries.d(5)", "containers-sigstore-signing-params.yaml(5)",
)  # fmt: skip
_WIDTH = 72


def render(contents: Contents) -> str:
    """Return the text of the page."""
    parts = [_HEAD.rstrip("\n"), _examples(".SH", EXAMPLES), ".SH COMMANDS"]
    for title, entries in contents.tasks:
        parts.append(f".SS {_text(title)}")
        parts += [f".TP 24\n.B {_text(entry.name)}\n{_line(entry.summary)}" for entry in entries]
    for title, entries in contents.tasks:
        parts.append(f".SH {_text(title.upper())}")
        parts += [_command(entry) for entry in entries]
    parts.append(".SH FLAGS OF MANY COMMANDS")
    for title, flags in contents.shared:
        parts.append(f".SS {_text(title)}\n{_flags(flags)}")
    parts.append(".SH GLOBAL FLAGS\nEach command has these; they may also be before it.")
    parts.append(_flags(contents.everywhere))
    for name, title in _SECTIONS.items():
        parts.append(f".SH {title}\n{_described(parse_description(TOPICS[name].text))}")
    parts.append(".SH SEE ALSO\n" + " ,\n".join(f".BR {_reference(page)}" for page in _SEE_ALSO))
    # A heading begins a paragraph, and needs no request for one.
    return re.sub(r"^(\.S[HS] .*)\n\.PP$", r"\1", "\n".join(parts), flags=re.MULTILINE) + "\n"


def _command(entry: Entry) -> str:
    _, _, rest = entry.usage.partition(f"pyskopeo {entry.name}")
    usage = f".PP\n\\fBpyskopeo {_text(entry.name)}\\fR{_text(rest)}"
    parts = [f".SS {_text(entry.name)}", usage, _described(entry.description)]
    if entry.examples:
        parts.append(".PP\nExamples:\n" + _code(line for one in entry.examples for line in wrap_command(one, _WIDTH)))
    parts += [f".PP\n{_text(title)}:\n{_flags(flags)}" for title, flags in entry.flags]
    if entry.shared:
        names = ", ".join(f"--{name}" for name in entry.shared)
        parts.append(f".PP\nAnd FLAGS OF MANY COMMANDS:\n{_line(names)}")
    return "\n".join(parts)


def _examples(macro: str, examples: Iterable[str]) -> str:
    return f"{macro} EXAMPLES\n" + _code(line for one in examples for line in wrap_command(one, _WIDTH))


def _flags(flags: Iterable[Flag]) -> str:
    return "\n".join(f".TP\n{_flag(flag)}\n{_line(flag.help)}" for flag in flags)


def _flag(flag: Flag) -> str:
    names, value = written(flag)
    bold = ", ".join(f"\\fB{_text(name)}\\fR" for name in reversed(names))
    return f"{bold}\\fI{_text(value)}\\fR" if value else bold


def _described(blocks: Iterable[Block]) -> str:
    return "\n".join(map(_block, blocks))


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f".PP\n{_line(block.text)}"
    if isinstance(block, Terms):
        return "\n".join(f".TP\n.B {_text(term)}\n{_line(text)}" for term, text in block.rows)
    return _code(block.lines)


def _code(lines: Iterable[str]) -> str:
    return ".RS\n.nf\n" + "\n".join(map(_line, lines)) + "\n.fi\n.RE"


def _line(text: str) -> str:
    """Return a line of text, which is no request whatever it begins with."""
    return f"\\&{_text(text)}" if text[:1] in (".", "'") else _text(text)


def _text(text: str) -> str:
    """Return text with characters that roff would change: hyphens and quotes are typed as they are shown."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    for character, name in (("'", "aq"), ("`", "ga"), ("^", "ha"), ("~", "ti"), ('"', "dq")):
        text = text.replace(character, f"\\({name}")
    return text


def _reference(page: str) -> str:
    name, _, section = page.partition("(")
    return f"{_text(name)} ({section}"
