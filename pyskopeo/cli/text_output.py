"""Text for people on standard output: its width and colours, lines that fit, tables, bars, and how texts are cut.

Nothing is printed here but by `print_lines`; `text_rows` prints rows of cells with these parts.

In a pipe there is no width to fit and no colour. Texts from images have to be printable before they get here
(`http.printable`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Literal, TypeAlias

from ..fast_dataclass import dataclass
from ..http.printable import to_printable
from .standard_streams import print_styled
from .terminal import has_color

Tone: TypeAlias = Literal["plain", "strong", "dim", "bar", "warning", "added", "removed", "changed"]
"""What a part of a line is; each has its colour."""
Part: TypeAlias = str | tuple[str, Tone]

_NARROWEST, _WIDEST = 40, 400
_CODES: dict[Tone, str] = {
    "plain": "", "strong": "1", "dim": "2", "bar": "36", "warning": "33",
    "added": "32", "removed": "31", "changed": "33",
}  # fmt: skip
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_FULL = 8
_SHORT_DIGEST = 12


@dataclass(frozen=True, slots=True)
class TextOutput:
    """Where text goes: ``width`` is the number of columns of the terminal, None for a pipe or a file."""

    width: int | None = None
    color: bool = False

    @classmethod
    def of_stdout(cls) -> TextOutput:
        """Return what standard output is: ``NO_COLOR`` and ``TERM=dumb`` leave out the colours."""
        if not sys.stdout.isatty():
            return cls()
        return cls(_terminal_width(), has_color(sys.stdout))

    @property
    def bar_width(self) -> int:
        """The number of columns of a bar beside a text."""
        return 20 if self.width is None else min(max(self.width // 6, 8), 24)

    def line(self, *parts: Part) -> str:
        """Return a line of texts with their tones, cut at the width of the terminal."""
        left = self.width
        shown = []
        for part in parts:
            text = part if isinstance(part, str) else part[0]
            if left is not None:
                text = cut(text, left)
                left -= columns(text)
            shown.append(text if isinstance(part, str) else self.painted(text, part[1]))
        return "".join(shown).rstrip()

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int]) -> Iterator[str]:
        """Yield the lines of a table, the ``head`` first; ``right`` are the columns that are aligned to the right."""
        widths = [max(map(columns, column)) for column in zip(head, *rows, strict=True)]
        for number, row in enumerate((head, *rows)):
            cells = (
                _aligned(text, width, at in right) for at, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            line = "  ".join(cells).rstrip()
            yield self.line(line if number else (line, "dim"))

    def digest(self, digest: object) -> str:
        """Return a digest, on a terminal the beginning of it."""
        algorithm, _, encoded = str(digest).partition(":")
        return str(digest) if self.width is None else f"{algorithm}:{encoded[:_SHORT_DIGEST]}"

    def painted(self, text: str, tone: Tone) -> str:
        """Return a text in the colour of a tone, as it is where colours are not wanted."""
        code = _CODES[tone]
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and code and text.strip() else text


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that `TextOutput` has made: all of them, or none if making one fails."""
    for line in list(lines):
        print_styled(line)


def bar(share: float, width: int) -> str:
    """Return a bar of ``width`` columns, filled by ``share`` (0 to 1) in steps of an eighth of a column.

    A share that is more than nothing is visible.
    """
    eighths = round(min(max(share, 0.0), 1.0) * width * _FULL)
    if share > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, _FULL)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def one_line(text: str, limit: int = 1000) -> str:
    """Return text from an image as one printable line, without runs of spaces."""
    return " ".join(to_printable(text, limit).split())


def minute(time: str) -> str:
    """Return a time in RFC 3339, as manifests state it, as ``2026-01-31 12:00``; "" if it is none."""
    from ..errors import InvalidContent
    from ..gocompat.go_time import GoTime

    try:
        return GoTime.parse(time).rfc3339()[:16].replace("T", " ")
    except InvalidContent:
        return ""


def columns(text: str) -> int:
    """Return the number of columns that a terminal needs for printable text."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def cut(text: str, width: int) -> str:
    """Return text of at most ``width`` columns; what is longer ends with an ellipsis."""
    if columns(text) <= width:
        return text
    found, left = "", width - 1
    for letter in text:
        left -= _columns_of(letter)
        if left < 0:
            break
        found += letter
    return f"{found}…" if width > 0 else ""


def _columns_of(letter: str) -> int:
    from unicodedata import combining, east_asian_width

    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1


def _aligned(text: str, width: int, to_right: bool) -> str:
    space = " " * (width - columns(text))
    return space + text if to_right else text + space


def _terminal_width() -> int:
    with suppress(OSError, ValueError):  # a terminal of no size, or no descriptor
        if found := os.get_terminal_size(sys.stdout.fileno()).columns:
            return min(max(found, _NARROWEST), _WIDEST)
    return 80
