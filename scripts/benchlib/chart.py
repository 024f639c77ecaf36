"""Draw results as SVG: the time of each program as a multiple of the fastest other's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

# Copies of each kind, over each link; what is mostly start-up is in the table only.
CHARTED = (
    *("layers8-http", "layers8-tls", "huge1-http", "huge1-tls", "many80-http", "many80-far"),
    *("push8", "push80", "archive", "zstd", "sync100"),
)
TITLE = "Wall time as a multiple of the fastest other program's; lower is better"
_SUBTITLE = "whole commands, start-up included; the dashed line is the fastest other"
# Legible on white and on GitHub's dark background, as is the colour of the text.
COLOURS = {"pyskopeo": "#2f81f7", "skopeo": "#857a71", "crane": "#3fa66a", "regctl": "#c4802f"}
TEXT = "#7d8590"
_LEFT, _WIDTH, _RIGHT, _TOP = 312, 380, 30, 58
_BAR, _GAP = 16, 12


@dataclass(frozen=True, slots=True)
class Bars:
    """One case: its title, and the ratio of each program to the fastest other one."""

    title: str
    ratios: Mapping[str, float]


def read_bars(results: Mapping[str, Any], place: str) -> list[Bars]:
    """Return the charted cases of the JSON of ``scripts/bench --save-json`` that were measured at ``place``.

    Raises ValueError, KeyError or TypeError for other JSON.
    """
    cases = {case["case"]: case for case in results["cases"] if case["on"] == place and case["best_other"]}
    return [
        Bars(str(cases[name]["title"]).replace("`", ""), _ratios(cases[name]["contenders"]))
        for name in CHARTED
        if name in cases
    ]


def _ratios(contenders: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(contenders[name]["ratio"]) for name in COLOURS if name in contenders}


def legend_of(machine: Mapping[str, Any]) -> dict[str, str]:
    """Return what each program is called, with its version, from the description of the machine."""
    names = {name: f"{name} {machine[name]}" for name in COLOURS if machine.get(name, "-") != "-"}
    if names.get("skopeo", "").startswith("skopeo 1.9."):
        # Its figures must not be mistaken for those of a current skopeo.
        names["skopeo"] += " (Debian 12's: an old Go, without the SHA instructions)"
    return names


def draw(bars: Sequence[Bars], names: Mapping[str, str]) -> str:
    """Return the chart as SVG: a group of bars for each case, and a line at 1.

    ``names`` are labels for the legend, by program.
    """
    highest = max([1.0, *(ratio for case in bars for ratio in case.ratios.values())])
    step = 0.25 if highest <= 2 else 0.5 if highest <= 4 else 1.0
    top = math.ceil(highest / step) * step
    body: list[str] = []
    y = float(_TOP + 10)
    for case in bars:
        body.append(_text(_LEFT - 12, y + len(case.ratios) * _BAR / 2 + 4, case.title, anchor="end"))
        for name, ratio in case.ratios.items():
            body += _bar(y, name, ratio, ratio / top * _WIDTH)
            y += _BAR
        y += _GAP
    bottom = y - _GAP + 8
    shown = [name for name in COLOURS if any(name in case.ratios for case in bars)]
    height = bottom + 40 + 18 * len(shown)
    parts = [*_axis(top, step, bottom), *body]
    parts += _legend([(name, names.get(name, name)) for name in shown], bottom + 36)
    width = _LEFT + _WIDTH + _RIGHT
    size = f'width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}"'
    font = "font-family=\"-apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif\" font-size=\"12.5\""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{TITLE}" {font}>'
    heading = [_text(width / 2, 20, TITLE, "middle", "600"), _text(width / 2, 38, _SUBTITLE, "middle")]
    return "\n".join([head, *heading, *parts, "</svg>", ""])


def _bar(y: float, name: str, ratio: float, length: float) -> list[str]:
    bar = f'<rect x="{_LEFT}" y="{y:g}" width="{length:.1f}" height="{_BAR - 3}" rx="2" fill="{COLOURS[name]}"/>'
    # The number is in the bar, where no line of the axis crosses it; beside it if the bar is too short.
    inside = length > 40
    colour, anchor = ("#ffffff", "end") if inside else (TEXT, "start")
    number = _text(_LEFT + length + (-6 if inside else 6), y + _BAR - 5.5, f"{ratio:.2f}", anchor, "600", colour)
    return [bar, number]


def _axis(top: float, step: float, bottom: float) -> list[str]:
    lines = []
    for number in range(round(top / step) + 1):
        value = number * step
        x = _LEFT + value / top * _WIDTH
        one = math.isclose(value, 1)
        style = 'stroke-width="1.5" stroke-dasharray="4 3"' if one else 'stroke-width="1" opacity="0.35"'
        lines.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom:g}" stroke="{TEXT}" {style}/>')
        lines.append(_text(x, bottom + 15, f"{value:g}", anchor="middle", weight="600" if one else "400"))
    return lines


def _legend(names: Sequence[tuple[str, str]], y: float) -> list[str]:
    lines = []
    for number, (name, shown) in enumerate(names):
        row = y + 18 * number
        lines.append(f'<rect x="{_LEFT}" y="{row - 2:g}" width="12" height="12" rx="2" fill="{COLOURS[name]}"/>')
        lines.append(_text(_LEFT + 18, row + 8, shown))
    return lines


def _text(x: float, y: float, words: str, anchor: str = "start", weight: str = "400", colour: str = TEXT) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text {place} fill="{colour}">{escape(words)}</text>'
