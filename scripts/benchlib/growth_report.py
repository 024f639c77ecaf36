"""Format what `growth` has measured: a table for the terminal, Markdown for the documents, JSON for the chart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby

from .growth import LIMIT, Growth
from .measure import Run

QUICK = "These are --quick sizes: the figures say nothing about growth."


def text(results: Sequence[Growth]) -> str:
    """Return the tables for a terminal."""
    return "\n\n".join("\n".join(_aligned(table)) for table in _tables(results))


def markdown(results: Sequence[Growth], machine: Mapping[str, str], *, quick: bool) -> str:
    """Return the tables for docs/growth.md."""
    lines: list[str] = []
    for head, *rows in _tables(results):
        lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        lines += [*("| " + " | ".join(row) + " |" for row in rows), ""]
    about = (
        "Runs below 3 s are the best of three. "
        f"Measured on {machine['cpus']} CPUs ({machine['cpu']}), Linux {machine['kernel']}, Python {machine['python']}."
    )
    return "\n".join([*lines, *([QUICK, ""] if quick else []), about, ""])


def as_json(results: Sequence[Growth], machine: Mapping[str, str], *, quick: bool) -> str:
    """Return all runs as JSON."""
    found = [
        {
            "name": growth.series.name,
            "title": growth.series.title,
            "kind": growth.series.kind,
            "sizes": growth.sizes,
            "runs": [asdict(run) for run in growth.runs],
            "cpu_per_unit": growth.cpu_per_unit,
            "kib_per_unit": growth.memory_per_unit,
            "growth": growth.factor,
            "in_limit": growth.in_limit,
        }
        for growth in results
    ]
    return json.dumps({"machine": dict(machine), "quick": quick, "growth": found}, indent=1)


def _tables(results: Sequence[Growth]) -> list[list[tuple[str, ...]]]:
    """Return a table for each kind of unit, its head first."""
    tables = []
    for (unit, sizes), group in groupby(results, lambda growth: (growth.series.unit, growth.sizes)):
        head = ("case", *(f"{size:,} {unit}s" for size in sizes), "growth", f"KiB per {unit}")
        tables.append([head, *(_row(growth) for growth in group)])
    return tables


def _row(growth: Growth) -> tuple[str, ...]:
    costs = [None, *growth.cpu_per_unit]
    cells = (_cell(run, cost) for run, cost in zip(growth.runs, costs, strict=True))
    return (growth.series.title, *cells, _factor(growth), f"{growth.memory_per_unit:.1f}")


def _cell(run: Run, cost: float | None) -> str:
    each = f", {_duration(cost)} each" if cost is not None else ""
    return f"{run.seconds:.1f} s, {run.peak_mib:.0f} MiB{each}"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds >= 0.0001 else f"{seconds * 1e6:.1f} µs"


def _factor(growth: Growth) -> str:
    if growth.factor is None:
        return "-"
    return f"{growth.factor:.2f}" + ("" if growth.in_limit else f", over {LIMIT}")


def _aligned(table: Sequence[tuple[str, ...]]) -> list[str]:
    plain = [tuple(cell.replace("`", "") for cell in row) for row in table]
    widths = [max(len(row[column]) for row in plain) for column in range(len(plain[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in plain]
