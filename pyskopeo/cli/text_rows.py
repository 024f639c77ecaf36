"""Rows of text on standard output: columns, bars and colours on a terminal, plain complete rows in a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

from ..http.printable import without_controls
from .standard_streams import print_styled
from .terminal import has_color

_STYLES = {"dim": "2", "bold": "1", "added": "32", "removed": "31", "changed": "33", "bar": "36"}
BAR = 20  # columns
_LEAST_TEXT = 16  # columns of the last column, however narrow a terminal is


class TextRows:
    """Prints rows: those on a terminal are as wide as that at most, and have colours unless these are turned off.

    Names from images are made printable first. Bytes that are not UTF-8 are escaped.
    """

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self._color = has_color(sys.stdout)
        self._width = shutil.get_terminal_size().columns if self.is_terminal else 0
        encoding = (sys.stdout.encoding or "").lower().replace("-", "")
        self._block = "\u2588" if encoding == "utf8" else "#"

    def styled(self, text: str, style: str) -> str:
        """Return text in a style; "" is none."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._color and style else text

    def line(self, text: str, style: str = "") -> None:
        """Print text that is not cut, but may become several lines on a terminal."""
        from textwrap import wrap

        text = printable(text)
        for line in wrap(text, self._width, subsequent_indent="  ") if len(text) > self._width > 0 else [text]:
            print_styled(self.styled(line, style))

    def row(self, cells: Sequence[str], last: str, style: str = "", *, keep_end: bool = False) -> None:
        """Print cells as they are, and then text, which is cut on a terminal; with ``keep_end`` in its middle."""
        start = "  ".join(cells)
        used = len(_without_styles(start)) + (2 if start else 0)
        text = printable(last)
        if self._width:
            text = _cut(text, max(self._width - used, _LEAST_TEXT), keep_end=keep_end)
        print_styled(f"{start}{'  ' if start else ''}{self.styled(text, style)}".rstrip())

    def bar(self, share: float) -> list[str]:
        """Return the cell of a bar, on terminals that are wide enough, else none."""
        if self._width < 80:
            return []
        filled = min(BAR, max(1 if share > 0 else 0, round(BAR * share)))
        return [self.styled(self._block * filled, "bar" if filled else "") + " " * (BAR - filled)]


def columns(rows: Iterable[Sequence[str]], align: str) -> list[list[str]]:
    """Return rows with all cells of a column as wide; ``align`` has a letter for each, ``<`` or ``>``."""
    every = [list(row) for row in rows]
    widths = [max((len(row[at]) for row in every), default=0) for at in range(len(align))]
    return [[f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)] for row in every]


def printable(text: str) -> str:
    """Return text from an image as one line that is safe to print; bytes that are not UTF-8 are escaped."""
    escaped = "".join(f"\\x{ord(one) - 0xDC00:02x}" if "\udc80" <= one <= "\udcff" else one for one in text)
    return without_controls(escaped)


def percentage(part: float, whole: float) -> str:
    """Format a share, such as ``12.5%``."""
    return f"{100 * part / whole if whole else 0:.1f}%"


def _cut(text: str, width: int, *, keep_end: bool) -> str:
    if len(text) <= width:
        return text
    end = (width - 3) * 2 // 3 if keep_end else 0
    return f"{text[: width - 3 - end]}...{text[len(text) - end :]}"


def _without_styles(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)
