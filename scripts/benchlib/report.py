"""Format the results: a table for the terminal, Markdown for docs/benchmarks.md, JSON for the chart."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict

from tests.support.require import find_program

from .cases import BEFORE, OURS, Result, Unit

# Printed with the figures of Debian 12's skopeo, which would otherwise be quoted as skopeo's speed.
_OLD_SKOPEO = (
    " is this distribution's build, made with a Go that lacks the SHA instructions, and two to three times slower than "
    "today's: not to be quoted as skopeo's speed."
)
QUICK = "These are --quick images: the figures say nothing about speed."
_HEAD = ("case", "ours", "baseline", "ratio", "limit", "", "peak MiB", "skopeo", "others")
_COUNTED = (Unit.BLOB_REQUESTS, Unit.BLOB_BYTES, Unit.HEADS, Unit.SHARE, Unit.OTHER_BYTES)
_COUNTED_BYTES = (Unit.BLOB_BYTES, Unit.SHARE, Unit.OTHER_BYTES)


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return one row of the table for each result, with the columns of `_HEAD`."""
    return [_row(result) for result in results]


def _row(result: Result) -> tuple[str, ...]:
    case, ours = result.case, result.runs[OURS]
    baseline = result.runs.get(case.baseline or "")
    ratio = result.ratio(OURS)
    verdict = {None: "not judged", True: "ok", False: "over"}[result.in_limit]
    if not result.in_memory:
        verdict += ", memory over"
    named = f" ({case.baseline})" if case.baseline and case.baseline != "floor" else ""
    others = [name for name in result.runs if name not in (OURS, "floor", "skopeo")]
    return (
        case.title,
        _took(result, OURS),
        _time(baseline.seconds) + named if baseline else "-",
        f"{ratio:.2f}" if ratio is not None else "-",
        _limit(case.unit, case.limit) + (", no request" if case.no_requests else ""),
        verdict,
        f"{ours.peak_mib:.0f} of {case.peak_limit_mib}",
        _other(result, "skopeo") if "skopeo" in result.runs else "-",
        "; ".join(f"{name} {_other(result, name)}" for name in others) or "-",
    )


def _other(result: Result, name: str) -> str:
    ratio = result.ratio(name)
    times = f", {ratio:.2f}" if ratio is not None else ""
    return f"{_took(result, name)}{times}, {result.runs[name].peak_mib:.0f} MiB"


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


def _limit(unit: Unit, limit: float) -> str:
    if unit is Unit.RATIO:
        return f"{limit:.2f}"
    if unit is Unit.SHARE:
        return f"{limit * 100:.0f} % {unit.value}"
    if unit is Unit.MILLISECONDS:
        return f"{limit:.0f} ms"
    return f"{limit:.0f} {unit.value}" if limit else f"no {unit.value}"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def text(results: Sequence[Result]) -> str:
    """Return the table for a terminal."""
    table = [tuple(cell.replace("`", "") for cell in row) for row in (_HEAD, *rows(results))]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([*lines, *_against(results), "", _skopeo_note(machine()["skopeo"]).replace("`", "")])


def _skopeo_note(version: str) -> str:
    """Return which skopeo was measured; ``version`` is what ``skopeo --version`` prints."""
    return f"`skopeo` is `{version}`" + (_OLD_SKOPEO if version.startswith("skopeo version 1.9.") else ".")


def _against(results: Sequence[Result]) -> list[str]:
    """Return a line for each case that another version ran too: both medians, and the median of the paired ratios."""
    compared = [result for result in results if BEFORE in result.runs]
    lines = [
        f"{result.case.name:<16} {_time(result.runs[OURS].seconds)} / {_time(result.runs[BEFORE].seconds)}"
        f" = {result.runs[OURS].ratio_to(result.runs[BEFORE]):.3f}"
        for result in compared
    ]
    return ["", "ours / before, median of paired ratios:", *lines] if lines else []


def markdown(results: Sequence[Result], rounds: int, *, quick: bool) -> str:
    """Return the table for docs/benchmarks.md."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + " --- |" * len(_HEAD)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(results)]
    facts = machine()
    about = (
        f"Medians of {rounds} paired runs; ratios are to the baseline of the same round. The floor is "
        "`curl --parallel` of every blob, then `openssl dgst -sha256`, two at a time. Registry to registry is http; "
        "in brackets are the requests that reached the target registry, or, for `sync`, its source. "
        f"Measured on {facts['cpus']} CPUs ({facts['cpu']}), Linux {facts['kernel']}, Python {facts['python']}. "
        f"{_skopeo_note(facts['skopeo'])}"
    )
    return "\n".join([*lines, "", *([QUICK, ""] if quick else []), about, ""])


def as_json(results: Sequence[Result], rounds: int, *, quick: bool) -> str:
    """Return all runs of all contenders, as JSON."""
    cases = [_case_json(result) for result in results]
    return json.dumps({"machine": machine(), "rounds": rounds, "quick": quick, "cases": cases}, indent=1)


def _case_json(result: Result) -> dict[str, object]:
    case = result.case
    return {
        "case": case.name,
        "title": case.title,
        "baseline": case.baseline,
        "limit": case.limit,
        "unit": case.unit.value,
        "value": result.value(OURS),
        "in_limit": result.in_limit,
        "peak_limit_mib": case.peak_limit_mib,
        "in_memory": result.in_memory,
        "contenders": {
            name: {
                "median_seconds": runs.seconds,
                "ratio": result.ratio(name),
                "peak_mib": runs.peak_mib,
                "seconds": [run.seconds for run in runs.runs],
                "cpu_seconds": [run.cpu_seconds for run in runs.runs],
                "requests": [asdict(traffic) for traffic in result.traffic.get(name, ())],
            }
            for name, runs in result.runs.items()
        },
    }


def machine() -> dict[str, str]:
    """Return a description of this machine and the versions of the programs."""
    return {
        "cpus": str(len(os.sched_getaffinity(0))),
        "cpu": _cpu(),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "curl": _version("curl", "--version"),
        "openssl": _version("openssl", "version"),
        "skopeo": _version(find_program("skopeo") or "skopeo", "--version"),
        "docker-registry": _version("docker-registry", "--version"),
    }


def _cpu() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return found or platform.machine()


def _version(program: str, flag: str) -> str:
    if not shutil.which(program):
        return "-"
    done = subprocess.run([program, flag], capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or ["-"])[0][:80]
