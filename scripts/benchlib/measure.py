"""Time one run of a command, and compute medians of several runs."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launch.py")
_LONGEST_RUN = 1800.0
# Bytes: enough for the largest image twice, in files and in memory.
_TOUCHED_MEMORY = 4 * 1024**3


class RunError(Exception):
    """A measured command failed or took too long; the message ends with its last lines of output."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: wall time and CPU time in seconds, peak resident memory in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(slots=True)
class Runs:
    """All runs of one contender in one case."""

    runs: list[Run] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Median wall time in seconds."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        """Median of user and system time together, in seconds."""
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def peak_mib(self) -> float:
        """The highest peak of all runs."""
        return max(run.peak_mib for run in self.runs)

    def ratio_to(self, other: Runs) -> float:
        """Return the median ratio of paired runs; the machine's speed may drift, but equally for both of a pair."""
        return statistics.median(a.seconds / b.seconds for a, b in zip(self.runs, other.runs, strict=True))


def run_timed(
    command: Sequence[str], scratch: Path, environ: Mapping[str, str] | None = None, *, large: bool = False
) -> Run:
    """Run a command once with its output in a file; raises `RunError`.

    Before the timed part, pending writes are flushed to disk, and with ``large`` memory is made available.
    """
    os.sync()
    if large:
        _touch_memory()
    report, log = scratch / "report.json", scratch / "output.log"
    report.unlink(missing_ok=True)
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(report), *command]
    with log.open("wb") as out:
        process = subprocess.Popen(
            launcher,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=clean_environ(scratch) | dict(environ or {}),
            start_new_session=True,
        )
        try:
            code = process.wait(_LONGEST_RUN)
        except BaseException as error:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise RunError(f"{_shown(command)}: not done after {_LONGEST_RUN:.0f} s") from None
            raise
    if code != 0:
        output = " | ".join(log.read_text(errors="replace").strip().splitlines()[-5:])
        raise RunError(f"{_shown(command)}: exit code {code}: {output or 'no output'}")
    found = json.loads(report.read_text())
    return Run(found["seconds"], found["user"] + found["system"], found["peak_kib"] / 1024)


def _touch_memory() -> None:
    """Allocate and release free memory.

    A hypervisor often provides memory page by page on first use and reclaims free memory soon. The first contender to
    write a large file then would be ten times slower.
    """
    size = min(_TOUCHED_MEMORY, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    flags = "mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE"
    code = f"import mmap; mmap.mmap(-1, {size}, flags={flags})"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False)


def clean_environ(home: Path) -> dict[str, str]:
    """Return an environment without the user's proxies and credentials."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    return {"PATH": path, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "LC_ALL": "C.UTF-8"}


def _shown(command: Sequence[str]) -> str:
    return " ".join(command)[:300]
