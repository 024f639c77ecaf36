"""Measure how time and memory grow with the number of layers, tags and images: ``scripts/bench --growth``.

The registry answers from memory (`growth_registry`), and the layers have 1 KiB, so that what is measured is the cost of
a unit, not of its bytes.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from tests.support.processes import Peer

from .growth_content import Repository
from .growth_series import QUICK, SERIES, Place, Series
from .measure import Run, run_timed

# How much more a unit may cost at one size than at the size before.
LIMIT = 1.5
# Seconds of processor time by which sizes must differ for the cost of a unit to be told from noise.
_JUDGED = 0.08
# Seconds of a run above which there is no second one. Of several the one with the least processor time counts.
_LONG = 3.0


class GrowthServer(Peer):
    """`growth_registry` in a process of its own."""

    def command(self) -> Sequence[str]:
        """Serve on a port of the system's choice."""
        scripts = Path(__file__).resolve().parent.parent
        code = f"import sys; sys.path.insert(0, {str(scripts)!r}); from benchlib import growth_registry as registry; "
        return sys.executable, "-c", code + "registry.asyncio.run(registry.main())"

    def is_ready(self) -> bool:
        """Whether it says where it listens."""
        return "http://" in self.log and self.log.endswith("\n")

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return self.log.partition("http://")[2].partition("\n")[0]

    def make(self, repository: str) -> None:
        """Have the content of a repository made, which is not to be measured."""
        url = f"http://{self.host}/v2/{repository}/manifests/{Repository(repository).tags[0]}"
        with build_opener(ProxyHandler({})).open(url, timeout=120):
            pass


@dataclass(frozen=True, slots=True)
class Growth:
    """The runs of a series, in the order of its sizes."""

    series: Series
    sizes: tuple[int, ...]
    runs: tuple[Run, ...]

    @property
    def cpu_per_unit(self) -> list[float | None]:
        """Seconds of processor time of a unit beyond those of the smallest size, for each larger one.

        So the start of the program does not count. None where the difference is too small to tell.
        """
        first, start = self.sizes[0], self.runs[0].cpu_seconds
        more = [run.cpu_seconds - start for run in self.runs[1:]]
        return [
            extra / (size - first) if extra >= _JUDGED else None
            for size, extra in zip(self.sizes[1:], more, strict=True)
        ]

    @property
    def memory_per_unit(self) -> float:
        """KiB of memory of a unit, from the second size, which fills all buffers, to the largest."""
        return (self.runs[-1].peak_mib - self.runs[1].peak_mib) * 1024 / (self.sizes[-1] - self.sizes[1])

    @property
    def factor(self) -> float | None:
        """By how much the cost of a unit grows from one size to the next, at most; None where it cannot be told."""
        costs = [cost for cost in self.cpu_per_unit if cost is not None]
        return max((later / earlier for earlier, later in pairwise(costs)), default=None)

    @property
    def in_limit(self) -> bool:
        """Whether the cost of a unit stays about the same."""
        return self.factor is None or self.factor <= LIMIT


def measure_growth(folder: Path, command: str, chosen: Sequence[Series], *, quick: bool) -> list[Growth]:
    """Run each series of ``chosen`` with the command under test, which writes below ``folder``.

    Raises `RunError` and `PeerFailed`.
    """
    work = folder / f"growth-{os.getpid()}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        server = stack.enter_context(GrowthServer())
        bench = _Bench(shlex.split(command), server, work)
        return [bench.measure(series, QUICK[series.kind] if quick else series.sizes) for series in chosen]


class _Bench:
    def __init__(self, command: Sequence[str], server: GrowthServer, work: Path) -> None:
        self._command, self._server, self._work = command, server, work
        self._runs = 0

    def measure(self, series: Series, sizes: tuple[int, ...]) -> Growth:
        runs = []
        for size in sizes:
            print(f"bench: {series.name}, {size} {series.kind} ...", file=sys.stderr, flush=True)
            self._server.make(f"{series.kind}-{size}")
            runs.append(self._least(series, size))
        return Growth(series, sizes, tuple(runs))

    def _least(self, series: Series, size: int) -> Run:
        runs = [self._run(series, size)]
        while runs[-1].seconds < _LONG and len(runs) < 3:
            runs.append(self._run(series, size))
        return min(runs, key=lambda run: run.cpu_seconds)

    def _run(self, series: Series, size: int) -> Run:
        self._runs += 1
        shutil.rmtree(self._work, ignore_errors=True)
        folder, home = self._work / "run", self._work / "home"
        folder.mkdir(parents=True)
        home.mkdir()
        place = Place(self._server.host, folder, f"pushed/{self._runs}")
        if series.prepare is not None:
            run_timed([*self._command, *series.prepare(place, size)], home)
        return run_timed([*self._command, *series.command(place, size)], home)


def choose_series(only: str) -> list[Series]:
    """Return the series whose names, or kinds, ``only`` lists with commas between; all without. Raises `ValueError`."""
    wanted = set(filter(None, only.split(",")))
    known = {name for series in SERIES for name in (series.name, series.kind)}
    if unknown := wanted - known:
        raise ValueError(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return [series for series in SERIES if not wanted or wanted & {series.name, series.kind}]
