"""The summary of many images: a table of the results, and the totals."""

from __future__ import annotations

import sys
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
    """Print a table of the results, without the images that were present already, and the totals."""
    rows = [result for result in report.results if result.status != "present"]
    shown, more = rows[:_MAX_ROWS], len(rows) - _MAX_ROWS
    cells = [_cells(result) for result in shown]
    if not (sys.stderr.isatty() and has_rich() and _draw(cells)):
        for status, digest, moved, seconds, name in cells:
            emit_notice(f"{status:<8} {digest:<20} {moved:>10} {seconds:>7}  {name}")
    if more > 0:
        emit_notice(f"and {more} more")
    counted = ", ".join(
        f"{report.count(status)} {status}"
        for status in ("copied", "present", "failed", "skipped")
        if status in ("copied", "present") or report.count(status)
    )  # fmt: skip
    number = len(report.results)
    lists = f", {report.listing_failures} of the sources not listed" if report.listing_failures else ""
    emit_notice(
        f"{number} image{'s' * (number != 1)}: {counted}{lists}; "
        f"{size(report.moved)} moved in {span(report.seconds)}"
    )


def _cells(result: ImageResult) -> tuple[str, str, str, str, str]:
    digest = "" if result.digest is None else f"{result.digest.algorithm}:{result.digest.hex[:12]}"
    return result.status, digest, size(result.moved), f"{result.seconds:.1f}s", result.image.destination


def _draw(rows: list[tuple[str, str, str, str, str]]) -> bool:
    """Print the rows as a table, without digests if that is what the names need to stay whole.

    Returns False, without printing, if the terminal is too narrow for the names nevertheless.
    """
    from rich.console import Console

    if not rows:
        return True
    console = Console(stderr=True, highlight=False)
    table = next((one for one in (_table(rows), _table(rows, digests=False)) if _fits(one, console)), None)
    if table is None:
        return False
    with suppress(OSError):  # the terminal is gone
        console.print(table)
    return True


def _fits(table: Table, console: Console) -> bool:
    from rich.measure import Measurement

    # Without a limit, the width is what the longest cells need.
    wide = console.options.update(max_width=_UNBOUNDED)
    return Measurement.get(console, wide, table).maximum <= console.width


def _table(rows: list[tuple[str, str, str, str, str]], *, digests: bool = True) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("Status", *(["Digest"] if digests else []), "Moved", "Time", "Image"):
        table.add_column(title, justify="right" if title in ("Moved", "Time") else "left", no_wrap=True)
    colours = {"copied": "green", "failed": "red", "skipped": "yellow"}
    for status, digest, *rest in rows:
        cells = [digest, *rest] if digests else rest
        table.add_row(Text(status, style=colours.get(status, "")), *(Text(escape(cell)) for cell in cells))
    return table
