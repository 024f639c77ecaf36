"""Terminals: that are asked whether they are one, and whose screen can be read."""

from __future__ import annotations

import io
import re

from rich.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(width: int) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, force_terminal=True, color_system=None, highlight=False), out


def screen(text: str) -> list[str]:
    """What is on the screen after ``text``, control sequences obeyed as far as rich uses them."""
    rows, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
        if part == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            rows[row] = ""
        elif not part.startswith(("\x1b", "\r")):
            rows[row] += part
    return [row.rstrip() for row in rows if row.strip()]
