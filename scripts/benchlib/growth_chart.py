"""Draw the JSON of ``scripts/bench --growth --save-json`` as an SVG: the cost of a unit, and the program's memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

PANEL, HEIGHT, LEFT, GAP, TOP = 330, 170, 64, 84, 84
# Below a panel: the numbers, what they count, the lines of the legend, and space.
BELOW, LEGEND_LINE, SPACE = 48, 18, 30
IN_LEGEND_LINE = 3
# Legible on white and on a dark background, as is the colour of the text.
COLOURS = ("#2f81f7", "#c4802f", "#3fa66a", "#b8508f", "#857a71", "#7a63d1", "#1b9aaa", "#c9514b")
TEXT = "#7d8590"
HEADS = ("processor time of each, without the start", "memory of the whole program at its peak")
_LABEL = 40
_FAINT = f'stroke="{TEXT}" stroke-width="1" opacity="0.3"'


@dataclass(frozen=True, slots=True)
class Line:
    """A series in the chart: its label, and points of units with seconds for each, or with MiB."""

    label: str
    costs: tuple[tuple[int, float], ...]
    peaks: tuple[tuple[int, float], ...]


def draw_growth(found: Sequence[dict[str, Any]]) -> str:
    """Return the chart: a row of two panels for each kind of unit. Raises `KeyError`, `TypeError`, `ValueError`."""
    rows = [(kind, [_line(series) for series in group]) for kind, group in groupby(found, lambda one: one["kind"])]
    body, y = [], TOP
    for kind, lines in rows:
        body += _row(str(kind), lines, y)
        y += HEIGHT + BELOW + math.ceil(len(lines) / IN_LEGEND_LINE) * LEGEND_LINE + SPACE
    width, height = LEFT + 2 * PANEL + GAP + 36, y - SPACE + 8
    title = "How cost and memory grow with the number of layers, tags and images"
    font = "font-family=\"-apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" font-size=\"12.5\""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}" {font}>'
    heading = [
        _text(LEFT, 20, title, weight="600"),
        _text(LEFT, 38, "a level line on the left is linear growth; numbers are on logarithmic scales"),
    ]
    heading += [_text(_panel_left(column), TOP - 16, HEADS[column]) for column in (0, 1)]
    return "\n".join([head, *heading, *body, "</svg>", ""])


def _line(series: dict[str, Any]) -> Line:
    sizes = [int(size) for size in series["sizes"]]
    costs = zip(sizes[1:], series["cpu_per_unit"], strict=True)
    peaks = zip(sizes, (float(run["peak_mib"]) for run in series["runs"]), strict=True)
    told = tuple((size, float(cost)) for size, cost in costs if cost is not None)
    return Line(str(series["title"]).replace("`", ""), told, tuple(peaks))


def _panel_left(column: int) -> int:
    return LEFT + column * (PANEL + GAP)


def _row(kind: str, lines: Sequence[Line], y: int) -> list[str]:
    sizes = sorted({size for line in lines for size, _ in line.peaks})
    across = _log_scale(sizes[0], sizes[-1], PANEL)
    costs = [cost for line in lines for _, cost in line.costs] or [0.001]
    lowest, highest = 10 ** math.floor(math.log10(min(costs))), 10 ** math.ceil(math.log10(max(costs)))
    decades = [lowest * 10**step for step in range(round(math.log10(highest / lowest)) + 1)]
    if len(decades) == 1:
        decades.append(decades[0] * 10)
    up = _log_scale(decades[0], decades[-1], HEIGHT)
    most = _ceiling(max(peak for line in lines for _, peak in line.peaks))
    body = _axes(0, y, kind, sizes, across, [(cost, up(cost), _duration(cost)) for cost in decades])
    ticks = [most * quarter / 4 for quarter in range(5)]
    body += _axes(1, y, kind, sizes, across, [(tick, tick / most * HEIGHT, f"{tick:g} MiB") for tick in ticks])
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        body += _curve([(across(size), up(cost)) for size, cost in line.costs], 0, y, colour)
        body += _curve([(across(size), peak / most * HEIGHT) for size, peak in line.peaks], 1, y, colour)
        x, below = LEFT + number % IN_LEGEND_LINE * 260, y + HEIGHT + BELOW + 8 + number // IN_LEGEND_LINE * LEGEND_LINE
        body.append(f'<rect x="{x}" y="{below - 9}" width="11" height="11" rx="2" fill="{colour}"/>')
        body.append(_text(x + 17, below + 1, line.label))
    return body


def _axes(
    column: int, y: int, kind: str, sizes: Sequence[int], across: Callable[[float], float],
    ticks: Sequence[tuple[float, float, str]],
) -> list[str]:  # fmt: skip
    left, bottom = _panel_left(column), y + HEIGHT
    body = []
    for _, up, label in ticks:
        body.append(f'<line x1="{left}" y1="{bottom - up:.1f}" x2="{left + PANEL}" y2="{bottom - up:.1f}" {_FAINT}/>')
        body.append(_text(left - 7, bottom - up + 4, label, anchor="end"))
    # A number is left out where it would be within that to its right.
    for size, later in zip(sizes, [*sizes[1:], math.inf], strict=True):
        x = left + across(size)
        body.append(f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{bottom}" {_FAINT}/>')
        if later == math.inf or across(later) - across(size) > _LABEL:
            body.append(_text(x, bottom + 15, f"{size:,}", anchor="middle"))
    body.append(_text(left + PANEL / 2, bottom + 31, kind, anchor="middle", weight="600"))
    return body


def _curve(points: Sequence[tuple[float, float]], column: int, y: int, colour: str) -> list[str]:
    left, bottom = _panel_left(column), y + HEIGHT
    places = [(left + across, bottom - up) for across, up in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]


def _log_scale(first: float, last: float, length: float) -> Callable[[float], float]:
    whole = math.log(last / first)
    return lambda value: math.log(value / first) / whole * length


def _ceiling(value: float) -> float:
    """Return a round number that is no smaller, and of which a quarter is round, too."""
    step = 10 ** math.floor(math.log10(value))
    return next(step * times for times in (1, 2, 4, 6, 8, 10) if step * times >= value)


def _duration(seconds: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 0.999:
            return f"{seconds * factor:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "400") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text {place} fill="{TEXT}">{escape(words)}</text>'
