"""The summary of many images: a table of the results, and the totals."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from .log import emit_notice
from .quantities import size, span
from .standard_streams import escape
from .terminal import has_rich

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..syncing.sync_request import ImageResult, SyncReport

_MAX_ROWS = 200
_UNBOUNDED = 10_000  # columns; more than a row of the table has


def show_summary(report: SyncReport) -> None:
    """Print a table of the results, without the images that were present already, and the totals.

    On a terminal, images that were not started are in the totals only.
    """
    is_terminal = sys.stderr.isatty()
    left_out = ("present", "skipped") if is_terminal else ("present",)
    rows = [result for result in report.results if result.status not in left_out]
    shown, more = rows[:_MAX_ROWS], len(rows) - _MAX_ROWS
    cells = [_cells(result) for result in shown]
    if not (is_terminal and has_rich() and _draw(cells)):
        for status, digest, moved, seconds, name in cells:
            emit_notice(f"{status:<8} {digest:<20} {moved:>10} {seconds:>7}  {name}")
    if more > 0:
        emit_notice(f"and {more} more")
    emit_notice(totals_line(report))


def totals_line(report: SyncReport) -> str:
    """Return the numbers of images by status, and what was moved in which time."""
    counted = ", ".join(
        f"{report.count(status)} {status}"
        for status in ("copied", "present", "deleted", "obsolete", "failed", "skipped")
        if status in ("copied", "present") or report.count(status)
    )  # fmt: skip
    number = len(report.results)
    lists = f", {report.listing_failures} of the sources not listed" if report.listing_failures else ""
    return (
        f"{number} image{'s' * (number != 1)}: {counted}{lists}; "
        f"{size(report.moved)} moved in {span(report.seconds)}"
    )


def _cells(result: ImageResult) -> tuple[str, str, str, str, str]:
    digest = "" if result.digest is None else f"{result.digest.algorithm}:{result.digest.hex[:12]}"
    return result.status, digest, size(result.moved), f"{result.seconds:.1f}s", result.image.destination


def _draw(rows: Sequence[tuple[str, ...]]) -> bool:
    """Print the rows as a table, without digests if that is what the names need to stay whole.

    Where they are too long nevertheless, what all of them begin with is above the table. Returns False, without
    printing, if the terminal is too narrow even for what is left.
    """
    from rich.console import Console

    if not rows:
        return True
    console = Console(stderr=True, highlight=False)
    start = shared_directory([name for *_, name in rows])
    shorter = [(*cells, name[start:]) for *cells, name in rows]
    tables = ((start if names is shorter else 0, _table(names, digests=digests))
              for names in (rows, shorter) for digests in (True, False))  # fmt: skip
    cut, table = next(((cut, table) for cut, table in tables if _fits(table, console)), (0, None))
    if table is None:
        return False
    if cut:
        emit_notice(f"In {rows[0][-1][:cut]}")
    with suppress(OSError):  # the terminal is gone
        console.print(table)
    return True


def shared_directory(names: Sequence[str]) -> int:
    """Return how many characters at the begin of all names are the same, up to a slash."""
    first, last = min(names, default=""), max(names, default="")
    same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first.rfind("/", 0, same) + 1


def _fits(table: Table, console: Console) -> bool:
    from rich.measure import Measurement

    # Without a limit, the width is what the longest cells need.
    wide = console.options.update(max_width=_UNBOUNDED)
    return Measurement.get(console, wide, table).maximum <= console.width


def _table(rows: Sequence[tuple[str, ...]], *, digests: bool = True) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("Status", *(["Digest"] if digests else []), "Moved", "Time", "Image"):
        table.add_column(title, justify="right" if title in ("Moved", "Time") else "left", no_wrap=True)
    colours = {"copied": "green", "failed": "red", "skipped": "yellow", "deleted": "magenta", "obsolete": "magenta"}
    for status, digest, *rest in rows:
        cells = [digest, *rest] if digests else rest
        table.add_row(Text(status, style=colours.get(status, "")), *(Text(escape(cell)) for cell in cells))
    return table
