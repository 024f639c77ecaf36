"""Rows at the end of a terminal's output that are redrawn, such as progress bars, below the lines that stay."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .log import printing_above

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_INTERVAL = 0.1  # seconds
# The most columns of a row. A terminal that is made narrower than a row breaks it in two, and may scroll others away,
# where they cannot be erased any more; with this width that does not happen down to 60 columns.
WIDTH = 57
_MARGIN = 3  # columns, for the ^C that a terminal echoes
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# Without wrapping, rows that are drawn in the moment before a new width is known are cut, and not broken in two.
_NO_WRAPPING, _WRAPPING = "\x1b[?7l", "\x1b[?7h"
_ERASE_LINE, _UP, _ERASE_BELOW = "\x1b[2K", "\x1b[1A", "\x1b[J"


class LiveRows:
    """Shows what ``render`` returns, again and again, from `start` to `stop`.

    One lock is held from erasing the rows that are shown until the next ones are written, so that neither a
    line nor a redrawing in another thread comes in between.
    """

    def __init__(self, console: Console, render: Callable[[], RenderableType]) -> None:
        self._console = console
        self._render = render
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._widths: list[int] = []  # of the rows on the terminal, in columns
        self._is_shown = False
        self._cleanup = ExitStack()
        self._reflows = _reflows(os.environ)

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
        """The number of columns of a row."""
        return max(min(self._size()[0] - _MARGIN, WIDTH), 1)

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
        """Return what erases the rows. The cursor is at the end of the last of them."""
        if not self._widths:
            return ""
        columns = max(self._size()[0], 1)
        lines = sum(max(-(-width // columns), 1) if self._reflows else 1 for width in self._widths)
        self._widths = []
        return f"\r{_ERASE_LINE}" + f"{_UP}{_ERASE_LINE}" * (lines - 1) + _ERASE_BELOW

    def _drawing(self) -> str:
        """Return what draws the rows that fit into the height of the terminal."""
        if not self._is_shown:
            return ""
        from rich.segment import Segment, SegmentLines

        options = self._console.options.update(width=self.width, height=None)
        lines = self._console.render_lines(self._render(), options, pad=False)
        limit = max(self._size()[1] - 1, 1)
        if len(lines) > limit:
            more = f"... and {len(lines) - limit + 1} more"
            lines = [*lines[: limit - 1], [Segment(more[: self.width])]]
        self._widths = [Segment.get_line_length(line) for line in lines]
        with self._console.capture() as capture:
            self._console.print(SegmentLines(lines, new_lines=True), crop=False)
        return _HIDE_CURSOR + _NO_WRAPPING + capture.get().rstrip("\n") + _WRAPPING


def _reflows(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal breaks rows that have become too wide for it, as nearly all do."""
    return "XTERM_VERSION" not in environ and environ.get("TERM") != "linux"
