"""Rows at the end of a terminal's output that are redrawn, such as progress bars, below the lines that stay."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .log import printing_above

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_INTERVAL = 0.1  # seconds
# The columns of a row on a terminal that is not twice as wide. A terminal that is made narrower than a row breaks it in
# two, and may scroll others away, where they cannot be erased any more.
WIDTH = 57
_NARROW = 29  # columns of a row while the terminal is being resized, since the next size may be smaller
_QUIET = 2.0  # seconds without another size, after which rows are wide again
_MARGIN = 3  # columns, for the ^C that a terminal echoes
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# Without wrapping, rows that are drawn in the moment before a new width is known are cut, and not broken in two.
_NO_WRAPPING, _WRAPPING = "\x1b[?7l", "\x1b[?7h"
_UP, _DOWN, _RIGHT = "\x1b[1A", "\x1b[1B", "\x1b[1C"
# From the first column of the first line, tmux would not erase but scroll away what is on the screen.
_ERASE_ROWS = f"\r\x1b[2K{_RIGHT}\x1b[J\r"


class LiveRows:
    """Shows what ``render`` returns, again and again, from `start` to `stop`.

    Between two drawings the cursor is at the begin of the first row. A terminal that is resized keeps it there: one
    that becomes lower removes the lines below the cursor first, one that becomes narrower breaks only lines below it.
    So the rows can be erased without knowing which sizes the terminal has had since they were drawn.

    One lock is held from erasing the rows that are shown until the next ones are written, so that neither a
    line nor a redrawing in another thread comes in between.
    """

    def __init__(self, console: Console, render: Callable[[], RenderableType]) -> None:
        self._console = console
        self._render = render
        self._known_size: tuple[int, int] | None = None
        self._resized = -math.inf  # when another size was seen
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._is_drawn = False  # whether there are rows on the terminal
        self._is_shown = False
        self._cleanup = ExitStack()

    def start(self) -> None:
        """Begin to show the rows, on a terminal; all lines for standard error are printed above them."""
        if self._console.is_terminal and not self._is_shown:
            self._is_shown = True
            self._cleanup.enter_context(printing_above(self.print))
            threading.Thread(target=self._refresh_regularly, daemon=True).start()

    def stop(self) -> None:
        """Erase the rows; nothing is drawn any more."""
        self._stopped.set()
        with self._lock:
            self._cleanup.close()
            if self._is_shown:
                self._is_shown = False
                self._redraw(_SHOW_CURSOR)

    def print(self, text: str) -> None:
        """Print a line above the rows. The terminal wraps it, so that a digest can be copied in one piece."""
        with self._lock:
            self._redraw(f"{text}\n")

    def refresh(self) -> None:
        """Draw the rows as they are now, in the width that the terminal has now."""
        with self._lock:
            if self._is_shown:
                self._redraw()

    @property
    def width(self) -> int:
        """The number of columns of the first rows: half of the terminal's, but at least `WIDTH` if it has them.

        While the terminal is being resized, rows are narrower.
        """
        columns = self._size()[0]
        is_quiet = time.monotonic() - self._resized >= _QUIET
        most = max(WIDTH, columns // 2 - _MARGIN) if is_quiet else _NARROW
        return max(min(columns - _MARGIN, most), 1)

    @property
    def half(self) -> int:
        """The number of columns of all other rows, which stay whole when the terminal is divided in two.

        Near the top of the screen, a row that is broken may scroll others away, where they cannot be erased any more.
        """
        return min(self.width, max(self._size()[0] // 2 - _MARGIN, _NARROW))

    def _refresh_regularly(self) -> None:
        while not self._stopped.wait(_INTERVAL):
            self.refresh()

    def _redraw(self, text: str = "") -> None:
        """Write ``text`` in the place of the rows, and draw them below."""
        try:
            self._console.file.write(self._erasure() + text + self._drawing())
            self._console.file.flush()
        except OSError:  # the terminal is gone; what the rows show is no reason to fail
            self._stopped.set()
            self._is_shown = False

    def _size(self) -> tuple[int, int]:
        """Return the columns and lines of the terminal."""
        try:
            return os.get_terminal_size(self._console.file.fileno())
        except (OSError, ValueError):
            return self._console.size

    def _erasure(self) -> str:
        """Return what erases the rows. The cursor is in the first of them."""
        if not self._is_drawn:
            return ""
        self._is_drawn = False
        return _ERASE_ROWS

    def _drawing(self) -> str:
        """Return what draws the rows that fit into half of the terminal's lines, and moves the cursor to the first."""
        if not self._is_shown:
            return ""
        from rich.segment import Segment, SegmentLines

        size = self._size()
        if self._known_size not in (None, size):
            self._resized = time.monotonic()
        self._known_size = size
        options = self._console.options.update(width=self.width, height=None)
        lines = self._console.render_lines(self._render(), options, pad=False)
        limit = max(size[1] // 2, 2)
        if len(lines) > limit:
            more = f"... and {len(lines) - limit + 1} more"
            lines = [*lines[: limit - 1], [Segment(more[: self.width])]]
        self._is_drawn = bool(lines)
        with self._console.capture() as capture:
            self._console.print(SegmentLines(lines, new_lines=True), crop=False)
        # The terminal scrolls while the lines are still empty: should it be lower than was known, no row scrolls away.
        below = max(len(lines) - 1, 0)
        rows = capture.get().rstrip("\n").replace("\n", f"\r{_DOWN}")
        return f"{_HIDE_CURSOR}{_NO_WRAPPING}" + "\n" * below + _UP * below + f"\r{rows}\r" + _UP * below + _WRAPPING
