"""Rows of text on standard output: cells, a bar, and a text that is cut at the width of a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from textwrap import wrap

from ..http.printable import without_controls
from .standard_streams import print_styled
from .text_output import TextOutput, Tone, bar, columns, cut

_LEAST_TEXT = 16  # columns of the last column, however narrow a terminal is
_WITH_BARS = 80  # columns of the narrowest terminal on which there are bars
_COLOUR = r"\x1b\[[0-9;]*m"


class TextRows:
    """Prints rows: those on a terminal are as wide as that at most, and have colours unless these are turned off.

    Names from images are made printable first.
    """

    def __init__(self) -> None:
        self._out = TextOutput.of_stdout()

    def painted(self, text: str, tone: Tone) -> str:
        """Return a text for a cell in the colour of a tone."""
        return self._out.painted(text, tone)

    def line(self, text: str, tone: Tone = "plain") -> None:
        """Print text that is not cut, but may become several lines on a terminal."""
        text, width = printable(text), self._out.width
        for line in [text] if width is None or len(text) <= width else wrap(text, width, subsequent_indent="  "):
            print_styled(self.painted(line, tone))

    def row(self, cells: Sequence[str], last: str, tone: Tone = "plain", *, keep_end: bool = False) -> None:
        """Print cells as they are, and then text, which is cut on a terminal; with ``keep_end`` in its middle."""
        start = "".join(f"{cell}  " for cell in cells)
        text = printable(last)
        if self._out.width is not None:
            left = max(self._out.width - columns(re.sub(_COLOUR, "", start)), _LEAST_TEXT)
            text = _cut_middle(text, left) if keep_end else cut(text, left)
        print_styled(f"{start}{self.painted(text, tone)}".rstrip())

    def bar(self, share: float) -> list[str]:
        """Return the cell of a bar, on terminals that are wide enough, else none."""
        if self._out.width is None or self._out.width < _WITH_BARS:
            return []
        return [self.painted(bar(share, self._out.bar_width), "bar")]


def aligned(rows: Iterable[Sequence[str]], align: str) -> list[list[str]]:
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


def _cut_middle(text: str, width: int) -> str:
    """Return text of at most ``width`` columns; of what is longer, most of the end is left."""
    if columns(text) <= width:
        return text
    end = cut(text[::-1], (width - 1) * 2 // 3 + 1)[:-1][::-1]
    return f"{cut(text, width - columns(end))}{end}"
