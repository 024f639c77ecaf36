"""Rows with a bar: a label, the bar, and columns of numbers, in a given width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .quantities import part_of, size, span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from .throughput import Throughput

LABEL = 12  # columns of a label: those of a digest
ONE_ROW = 84  # columns of a row from which on all numbers of a total are beside its bar
_NARROW = 37  # columns of a row up to which numbers are not indented
LEFT = 10  # columns of the time left
BYTES = 18  # columns of most numbers of bytes, such as 123.4 of 567.8 MiB
_SPEED = 11  # columns of a speed
_DONE, _REST = "cyan", "dim"  # bright black is the background of some colour schemes
_NUMBERS = "dim"
_SHORTEST_BAR = 3
_GAP = "  "


def bar_row(
    console: Console, width: int, label: str, fraction: float | None, columns: Sequence[str], *, total: bool = False
) -> Text:
    """Return a row of ``width`` columns: the label, a bar of which ``fraction`` is done, and the columns that fit.

    Columns that do not fit beside a short bar are left out, the last ones first. A ``fraction`` of None draws an empty
    bar. The row of a ``total`` is brighter than the others.
    """
    from rich.text import Text

    label = label[:width]
    fitting: list[str] = []
    room = width - len(label) - len(_GAP) - _SHORTEST_BAR
    for column in columns:
        if (room := room - len(_GAP) - len(column)) < 0:
            break
        fitting.append(column)
    tail = "".join(_GAP + column for column in fitting)
    row = Text(label, no_wrap=True, style="bold" if total else "")
    length = width - len(label) - len(_GAP) - len(tail)
    if length >= _SHORTEST_BAR:
        row.append(_GAP)
        row.append_text(_bar(console, length, fraction or 0.0))
        row.append(tail, style="" if total else _NUMBERS)
    return row


def _bar(console: Console, length: int, fraction: float) -> Text:
    """Return a bar; its rest is drawn where colours tell it from what is done."""
    from rich.text import Text

    halves = int(2 * length * min(max(fraction, 0.0), 1.0))
    bar = Text("━" * (halves // 2), style=_DONE)
    rest = length - halves // 2
    if halves % 2:
        bar.append("╸", style=_DONE)
        rest -= 1
    has_colours = console.color_system is not None and not console.no_color
    return bar.append(("━" if has_colours else " ") * rest, style=_REST)


def total_rows(
    console: Console, width: int, label: str, progress: tuple[int, int], throughput: Throughput,
    *, count: str = "", estimated: bool = False,
) -> list[Text]:  # fmt: skip
    """Return the row of a total, or two if ``width`` is too narrow for one: percentage, bytes, speed and time left.

    ``progress`` are the bytes that are done, and all, which may be ``estimated``. ``count`` is the number of things
    that are done.
    """
    done, total = progress
    fraction = done / total if total else 0.0 if estimated else 1.0
    percent, both, label = percentage(fraction), part_of(done, total), f"{label:<{LABEL}}"
    about = "~" if estimated else ""
    both = both.replace(" of ", f" of {about}").rjust(BYTES)
    seconds = throughput.seconds_left(total - done)
    left = f"{about}{span(seconds)} left" if seconds is not None else ""
    if width >= ONE_ROW:
        columns = (percent, both, speed_column(throughput), count, left.rjust(LEFT))
        return [bar_row(console, width, label, fraction, columns, total=True)]
    numbers = [number for number in (both.strip(), speed_column(throughput).strip(), left) if number]
    return [
        bar_row(console, width, label, fraction, (percent, count) if count else (percent,), total=True),
        text_row(width, LABEL + len(_GAP) if width > _NARROW else 0, numbers),
    ]


def stopped_line(progress: tuple[int, int], count: str) -> str:
    """Return the line about a total that did not come to its end, as `total_rows` shows it."""
    done, total = progress
    return f"Stopped at {percentage(done / total if total else 0.0).strip()}: {count}, {part_of(done, total).strip()}"


def fits_beside_bar(column: str, width: int) -> bool:
    """Return whether a column fits into a row of ``width`` columns, beside a label and a short bar."""
    return LABEL + _SHORTEST_BAR + 2 * len(_GAP) + len(column) <= width


def percentage(fraction: float) -> str:
    """Return a column with a percentage; 100% only if all is done."""
    return f"{int(fraction * 100):3}%"


def speed_column(throughput: Throughput) -> str:
    """Return a column with a speed, empty at the begin."""
    speed = throughput.speed
    return (f"{size(speed)}/s" if speed is not None else "").rjust(_SPEED)


def text_row(width: int, indent: int, columns: Sequence[str]) -> Text:
    """Return a row of the columns that fit, below the bar of a row whose label has ``indent`` columns."""
    from rich.text import Text

    text = ""
    for column in columns:
        longer = f"{text}{_GAP}{column}" if text else " " * indent + column
        if len(longer) > width:
            break
        text = longer
    return Text(text, no_wrap=True)
