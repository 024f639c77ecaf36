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
    """What is on the screen after ``text``, control sequences obeyed as far as our rows use them."""
    shown = Screen(1000)
    shown.write(text)
    return shown.lines


class Screen(io.StringIO):
    """A terminal that obeys what our rows use; when it is resized, it breaks lines again and moves some as tmux does.

    Rows that have scrolled away cannot be changed. They come back when the terminal becomes higher.
    """

    def __init__(self, columns: int, height: int = 100) -> None:
        super().__init__()
        self.columns, self.height = columns, height
        self._rows: list[str] = [""] * height
        self._goes_on: list[bool] = [False] * height  # whether the line of a row goes on in the next one
        self._row = self._column = 0
        self._wraps = True
        self._rest = ""  # the begin of a control sequence

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        text, count = self._rest + text, len(text)
        cut = re.search(r"\x1b(\[[0-9;?]*)?\Z", text)
        text, self._rest = (text[: cut.start()], cut[0]) if cut else (text, "")
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x1b]", text):
            if part == "\n":
                self._goes_on[self._row] = False
                self._next_row()
            elif part == "\r":
                self._column = 0
            elif part in ("\x1b[1A", "\x1b[1B"):
                below = self._row + (1 if part == "\x1b[1B" else -1)
                self._row = min(max(below, self._top), len(self._rows) - 1)
            elif part in ("\x1b[?7l", "\x1b[?7h"):
                self._wraps = part == "\x1b[?7h"
            elif part == "\x1b[1C":
                self._column = min(self._column + 1, self.columns - 1)
            elif part == "\x1b[2K":
                self._rows[self._row], self._goes_on[self._row] = "", False
            elif part == "\x1b[J":
                if self._row == self._top and self._column == 0:
                    raise AssertionError("tmux scrolls the screen away here")
                blank = len(self._rows) - self._row - 1
                self._rows[self._row :] = [self._rows[self._row][: self._column], *[""] * blank]
                self._goes_on[self._row :] = [False] * (blank + 1)
            elif not part.startswith("\x1b"):
                self._put(part)
        return count

    @property
    def _top(self) -> int:
        """The first row that has not scrolled away."""
        return len(self._rows) - self.height

    def _next_row(self) -> None:
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._rows):
            self._rows.append("")
            self._goes_on.append(False)

    def _put(self, character: str) -> None:
        if self._column == self.columns:
            if self._wraps:
                self._goes_on[self._row] = True
                self._next_row()
            else:
                self._column -= 1
        row = self._rows[self._row].ljust(self._column)
        self._rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
        self._column += 1

    def resize(self, columns: int, height: int | None = None) -> None:
        """Have another size. The cursor stays at its character, as long as that is on the screen."""
        if height is not None:
            self._set_height(height)
        lines, line, offset = [""], 0, 0
        for row, text in enumerate(self._rows):
            if row == self._row:
                line, offset = len(lines) - 1, len(lines[-1]) + self._column
            lines[-1] += text
            if not self._goes_on[row] and row < len(self._rows) - 1:
                lines.append("")
        self.columns, self._rows, self._goes_on = columns, [], []
        for number, text in enumerate(lines):
            pieces = [text[at : at + columns] for at in range(0, max(len(text), 1), columns)]
            if number == line:
                down = min(offset // columns, len(pieces) - 1)
                self._row, self._column = len(self._rows) + down, offset - down * columns
            self._rows += pieces
            self._goes_on += [True] * (len(pieces) - 1) + [False]
        self._add_blank_rows()
        if self._row < self._top:
            self._row, self._column = self._top, 0

    def _set_height(self, height: int) -> None:
        """Remove rows below the cursor, and then let rows scroll away at the top."""
        surplus = min(max(self.height - height, 0), len(self._rows) - 1 - self._row)
        del self._rows[len(self._rows) - surplus :], self._goes_on[len(self._goes_on) - surplus :]
        self.height = height
        self._add_blank_rows()

    def _add_blank_rows(self) -> None:
        missing = max(self.height - len(self._rows), 0)
        self._rows += [""] * missing
        self._goes_on += [False] * missing

    @property
    def lines(self) -> list[str]:
        """The rows that are not empty, those that have scrolled away included."""
        return [row.rstrip() for row in self._rows if row.strip()]
