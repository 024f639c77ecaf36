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


class Screen(io.StringIO):
    """A terminal of some columns that breaks lines, again when it is resized, and obeys what our rows use."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self._rows: list[str] = [""]
        self._goes_on: list[bool] = [False]  # whether the line of a row goes on in the next one
        self._row = self._column = 0
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
            elif part == "\x1b[1A":
                self._row = max(self._row - 1, 0)
            elif part == "\x1b[2K":
                self._rows[self._row], self._goes_on[self._row] = "", False
            elif part == "\x1b[J":
                self._rows[self._row] = self._rows[self._row][: self._column]
                del self._rows[self._row + 1 :], self._goes_on[self._row + 1 :]
            elif not part.startswith("\x1b"):
                self._put(part)
        return count

    def _next_row(self) -> None:
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._rows):
            self._rows.append("")
            self._goes_on.append(False)

    def _put(self, character: str) -> None:
        if self._column == self.columns:
            self._goes_on[self._row] = True
            self._next_row()
        row = self._rows[self._row].ljust(self._column)
        self._rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
        self._column += 1

    def resize(self, columns: int) -> None:
        """Have another width. The cursor, which is behind the last character, stays there."""
        lines, row = [""], 0
        for row, text in enumerate(self._rows):
            lines[-1] += text
            if not self._goes_on[row] and row < len(self._rows) - 1:
                lines.append("")
        self.columns, self._rows, self._goes_on = columns, [], []
        for line in lines:
            pieces = [line[at : at + columns] for at in range(0, max(len(line), 1), columns)]
            self._rows += pieces
            self._goes_on += [True] * (len(pieces) - 1) + [False]
        self._row = len(self._rows) - 1
        self._column = len(self._rows[-1])

    @property
    def lines(self) -> list[str]:
        """The rows that are not empty."""
        return [row.rstrip() for row in self._rows if row.strip()]
