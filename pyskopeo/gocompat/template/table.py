"""Columns of cells, aligned as Go's ``text/tabwriter`` does for ``--format 'table ...'``."""

from __future__ import annotations

# What containers' tools use: columns at least 12 wide, two spaces between them.
_LEAST_WIDTH = 12
_GAP = 2


def align(text: str) -> str:
    """Turn the tabs of ``text`` into spaces so that each column lines up within its block of lines.

    A tab ends a cell; a block is a run of lines that all have the column. Widths count characters.
    """
    lines = [line.split("\t") for line in text.split("\n")]
    widths = [[0] * (len(cells) - 1) for cells in lines]
    for column in range(max(len(cells) for cells in lines) - 1):
        start = 0
        while start < len(lines):
            end = start
            while end < len(lines) and len(lines[end]) - 1 > column:
                end += 1
            width = max((len(lines[row][column]) + _GAP for row in range(start, end)), default=0)
            for row in range(start, end):
                widths[row][column] = max(width, _LEAST_WIDTH)
            start = max(end, start + 1)
    return "\n".join(_row(cells, wide) for cells, wide in zip(lines, widths, strict=True))


def _row(cells: list[str], widths: list[int]) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, [*widths, 0], strict=True))
