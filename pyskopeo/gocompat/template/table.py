"""Alignment of columns as by Go's ``text/tabwriter``, for ``--format 'table ...'``."""

from __future__ import annotations

# The settings of containers/common: columns of at least 12 characters, padded by two.
_MIN_WIDTH = 12
_PADDING = 2


def align(text: str) -> str:
    """Replace the tabs of ``text`` by spaces so that each column is aligned within its block of lines.

    A tab ends a cell; a block is a sequence of lines that all have the column. Widths are in characters.
    """
    lines = [line.split("\t") for line in text.split("\n")]
    widths = [[0] * (len(cells) - 1) for cells in lines]
    for column in range(max(len(cells) for cells in lines) - 1):
        start = 0
        while start < len(lines):
            end = start
            while end < len(lines) and len(lines[end]) - 1 > column:
                end += 1
            width = max((len(lines[row][column]) + _PADDING for row in range(start, end)), default=0)
            for row in range(start, end):
                widths[row][column] = max(width, _MIN_WIDTH)
            start = max(end, start + 1)
    return "\n".join(_row(cells, wide) for cells, wide in zip(lines, widths, strict=True))


def _row(cells: list[str], widths: list[int]) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, [*widths, 0], strict=True))
