"""Format the results: tables for the terminal and for docs/benchmarks.md, JSON for the chart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from .cases import BEFORE, BEST, FLOOR, OURS, Case, Unit
from .peers import PEERS
from .places import Place
from .results import Result

# Printed with the figures of Debian 12's skopeo, which would otherwise be quoted as skopeo's speed.
_OLD_SKOPEO = (
    " That skopeo is this distribution's build, made with a Go that lacks the SHA instructions, and two to three times "
    "slower than today's: not to be quoted as skopeo's speed."
)
QUICK = "These are --quick images: the figures say nothing about speed."
_HEAD = ("case", "ours", "CPU", "peak MiB", "best other", "ratio", "limit", "")
# These have columns of their own; variants of ours and libraries share the last one.
_COLUMNS = (FLOOR, *PEERS)
_COUNTED = (Unit.BLOB_REQUESTS, Unit.BLOB_BYTES, Unit.HEADS, Unit.SHARE, Unit.OTHER_BYTES)
_COUNTED_BYTES = (Unit.BLOB_BYTES, Unit.SHARE, Unit.OTHER_BYTES)
_PLACES = {Place.DISK: "Written to disk", Place.TMPFS: "Written to tmpfs"}


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return one row of the table for each result, with the columns of `_HEAD`."""
    return [_row(result) for result in results]


def _row(result: Result) -> tuple[str, ...]:
    case, ours, best = result.case, result.runs[OURS], result.best_peer
    ratio = result.ratio(OURS, best)
    verdict = {None: "not judged", True: "ok", False: "over"}[result.in_limit]
    if not result.in_memory:
        verdict += ", memory over"
    return (
        case.title,
        _took(result, OURS),
        _time(ours.cpu_seconds),
        f"{ours.peak_mib:.0f} of {case.peak_limit_mib}",
        f"{_time(result.runs[best].seconds)} ({best})" if best else "-",
        f"{ratio:.2f}" if ratio is not None else "-",
        _limit(result),
        verdict,
    )


def others(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the table of the other programs: its head, then one row for each result that has any."""
    names = [name for name in _COLUMNS if any(name in (*result.runs, *result.failed) for result in results)]
    table = [("case", *names, "others")]
    for result in results:
        rest = [f"{name} {_other(result, name)}" for name in _others_of(result) if name not in _COLUMNS]
        row = (*(_other(result, name) for name in names), "; ".join(rest) or "-")
        if set(row) != {"-"}:
            table.append((result.case.title, *row))
    return table


def _others_of(result: Result) -> list[str]:
    """Return the names of the other programs of a result, in the order of the columns."""
    names = [*_COLUMNS, *sorted({*result.runs, *result.failed} - {OURS, *_COLUMNS})]
    return [name for name in names if name in result.runs or name in result.failed]


def _other(result: Result, name: str) -> str:
    runs = result.runs.get(name)
    if runs is None:
        return "failed" if name in result.failed else "-"
    return f"{_took(result, name)}, CPU {_time(runs.cpu_seconds)}, {runs.peak_mib:.0f} MiB"


def _took(result: Result, name: str) -> str:
    """Return the median time; where requests are counted, also those of the run with the most."""
    time = _time(result.runs[name].seconds)
    if result.case.unit not in _COUNTED and not result.case.no_requests:
        return time
    worst = max(
        result.traffic[name],
        key=lambda traffic: (traffic.blob_requests, traffic.blob_bytes, traffic.others, traffic.heads),
    )
    asked = f"{worst.heads} HEAD, {worst.others} other"
    moved = f", {worst.blob_bytes} bytes" if result.case.unit in _COUNTED_BYTES else ""
    return f"{time} ({asked}{moved})"


def _limit(result: Result) -> str:
    """Return what must not be exceeded; if it refers to another contender than the best one, with our value."""
    case = result.case
    said = _limit_of(case)
    if case.unit is Unit.RATIO and case.baseline != BEST:
        value = result.value(OURS)
        said += f" of {_name(case.baseline)}" + (f": {value:.2f}" if value is not None else "")
    return said + (", no request" if case.no_requests else "")


def _limit_of(case: Case) -> str:
    unit, limit = case.unit, case.limit
    if unit is Unit.RATIO:
        return f"{limit:.2f}"
    if unit is Unit.SHARE:
        return f"{limit * 100:.0f} % {unit.value}"
    if unit is Unit.MILLISECONDS:
        return f"{limit:.0f} ms"
    return f"{limit:.0f} {unit.value}" if limit else f"no {unit.value}"


def _name(contender: str | None) -> str:
    return "the floor" if contender == FLOOR else str(contender)


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _by_place(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """Return the results of each place, with its heading."""
    return [
        (heading, chosen)
        for place, heading in _PLACES.items()
        if (chosen := [result for result in results if result.place is place])
    ]


def text(results: Sequence[Result], machine: Mapping[str, str]) -> str:
    """Return the tables for a terminal; times of other programs are below each line."""
    lines: list[str] = []
    for heading, chosen in _by_place(results):
        # By the names that --only takes, and what others took on a line of its own: so it fits on most screens.
        table = [_HEAD, *((result.case.name, *_row(result)[1:]) for result in chosen)]
        widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
        lines += [f"{heading}:"]
        for row, result in zip(table, [None, *chosen], strict=True):
            lines += ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()]
            if result and (said := [f"{name} {_other(result, name)}" for name in _others_of(result)]):
                lines += [f"    {'; '.join(said)}"]
        lines += [""]
    return "\n".join([*lines, *_against(results), compared_with(machine)])


def compared_with(machine: Mapping[str, str]) -> str:
    """Return a sentence that names the peers that are installed, with their versions."""
    there = [f"{name} {machine[name]}" for name in PEERS if machine[name] != "-"]
    missing = [name for name in PEERS if machine[name] == "-"]
    said = f"Compared with {_listed(there)}." if there else "Compared with no other program."
    if missing:
        said += f" Not installed: {_listed(missing)}."
    return said + (_OLD_SKOPEO if machine["skopeo"].startswith("1.9.") else "")


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _table(table: Sequence[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return [lines[0], "|" + " --- |" * len(table[0]), *lines[1:], ""]


def _against(results: Sequence[Result]) -> list[str]:
    """Return a line for each case that another version ran too: both medians, and the median of the paired ratios."""
    lines = [
        f"{result.case.name:<16} {result.place.value:<5} {_time(result.runs[OURS].seconds)} /"
        f" {_time(result.runs[BEFORE].seconds)} = {result.ratio(OURS, BEFORE):.3f};"
        f" CPU {_time(result.runs[OURS].cpu_seconds)} / {_time(result.runs[BEFORE].cpu_seconds)}"
        for result in results
        if BEFORE in result.runs
    ]
    return ["ours / before, median of paired ratios:", *lines, ""] if lines else []


def markdown(results: Sequence[Result], machine: Mapping[str, str], rounds: int, *, quick: bool) -> str:
    """Return the tables for docs/benchmarks.md."""
    lines: list[str] = []
    for heading, chosen in _by_place(results):
        lines += [f"### {heading}", "", *_table([_HEAD, *rows(chosen)])]
        if len(table := others(chosen)) > 1:
            lines += ["The other programs in the same runs: time, CPU, the largest memory.", "", *_table(table)]
    about = (
        f"Medians of {rounds} paired runs; ratios are to the best other of the same round. {compared_with(machine)} "
        "The floor is `curl --parallel` of every blob, then `openssl dgst -sha256`, two at a time. Registry to "
        "registry is http; in brackets are the requests that reached the target registry, or, for `sync`, its source. "
        f"Measured on {machine['cpus']} CPUs ({machine['cpu']}), Linux {machine['kernel']}, Python {machine['python']}."
    )
    return "\n".join([*lines, *([QUICK, ""] if quick else []), about, ""])


def save_markdown(path: Path, tables: str, mark: str = "bench") -> None:
    """Write the tables to a file; in one with the comments ``mark`` and ``/mark``, as in docs, between these."""
    before, start, rest = path.read_text().partition(f"<!-- {mark} -->\n") if path.exists() else ("", "", "")
    _, end, after = rest.partition(f"<!-- /{mark} -->\n")
    path.write_text(f"{before}{start}{tables}{end}{after}" if start and end else tables)


def as_json(results: Sequence[Result], machine: Mapping[str, str], rounds: int, *, quick: bool) -> str:
    """Return all runs of all contenders, as JSON."""
    cases = [_case_json(result) for result in results]
    return json.dumps({"machine": dict(machine), "rounds": rounds, "quick": quick, "cases": cases}, indent=1)


def _case_json(result: Result) -> dict[str, object]:
    case = result.case
    return {
        "case": case.name,
        "title": case.title,
        "on": result.place.value,
        "baseline": result.baseline,
        "best_other": result.best_peer,
        "limit": case.limit,
        "unit": case.unit.value,
        "value": result.value(OURS),
        "in_limit": result.in_limit,
        "peak_limit_mib": case.peak_limit_mib,
        "in_memory": result.in_memory,
        "failed": result.failed,
        "contenders": {
            name: {
                "median_seconds": runs.seconds,
                "median_cpu_seconds": runs.cpu_seconds,
                "ratio": result.ratio(name, result.best_peer),
                "peak_mib": runs.peak_mib,
                "seconds": [run.seconds for run in runs.runs],
                "cpu_seconds": [run.cpu_seconds for run in runs.runs],
                "requests": [asdict(traffic) for traffic in result.traffic.get(name, ())],
            }
            for name, runs in result.runs.items()
        },
    }
