"""What is measured, against what, and how much is allowed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.peers import Registry

from .contenders import Contender, Job
from .images import Image
from .measure import Run, RunError, Runs, timed

OURS = "pyskopeo"
PEAK_LIMIT_MIB = 80


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table. ``limit`` is a ratio to ``baseline``, or milliseconds where there is none."""

    name: str
    title: str
    image: str
    kind: str
    limit: float
    baseline: str | None = "floor"
    tls: bool = False
    repeated: bool = False


CASES = (
    Case("layers8-http", "8 layers to `oci:`, http", "layers8", "oci", 0.85),
    Case("layers8-tls", "8 layers to `oci:`, TLS", "layers8", "oci", 0.80, tls=True),
    Case("huge1-http", "1 layer of 1.5 GB to `oci:`, http", "huge1", "oci", 0.80),
    Case("huge1-tls", "1 layer of 1.5 GB to `oci:`, TLS", "huge1", "oci", 0.80, tls=True),
    Case("many80-http", "80 small layers to `oci:`, http", "many80", "oci", 1.1),
    Case("archive", "8 layers to `docker-archive:`", "layers8", "docker-archive", 0.25, baseline="skopeo"),
    Case("again", "the same image again", "layers8", "oci", 250, baseline=None, repeated=True),
    Case("inspect", "`inspect --raw`", "layers8", "inspect", 180, baseline=None),
    Case("version", "`--version`", "layers8", "version", 60, baseline=None),
)


@dataclass(slots=True)
class Result:
    """The runs of every contender in one case."""

    case: Case
    runs: dict[str, Runs] = field(default_factory=dict)

    def ratio(self, contender: str) -> float | None:
        """The contender's time in units of the baseline's."""
        baseline = self.runs.get(self.case.baseline or "")
        return self.runs[contender].ratio_to(baseline) if baseline and contender in self.runs else None

    @property
    def value(self) -> float | None:
        """What the limit is about: our ratio, or our milliseconds; None when there is nothing to compare with."""
        return self.ratio(OURS) if self.case.baseline else self.runs[OURS].seconds * 1000

    @property
    def in_time(self) -> bool | None:
        """Whether the limit is kept; None when it could not be judged."""
        return None if self.value is None else self.value <= self.case.limit

    @property
    def in_memory(self) -> bool:
        """Whether our peak memory is within its limit."""
        return self.runs[OURS].peak_mib <= PEAK_LIMIT_MIB


@dataclass(frozen=True, slots=True)
class Bench:
    """What the cases run on. ``scratch`` is emptied after every run."""

    plain: Registry
    secure: Registry
    images: Mapping[str, Image]
    contenders: Mapping[str, Contender]
    scratch: Path

    def measure(self, case: Case, rounds: int) -> Result:
        """Every contender once to warm up, then in turn, ``rounds`` times; raises `RunError`."""
        result = Result(case)
        _empty(self.scratch)
        for number in range(rounds + 1):
            for name, contender in self.contenders.items():
                run = self._once(case, name, contender)
                if run and number:
                    result.runs.setdefault(name, Runs()).runs.append(run)
                    print(f"  {case.name} {number}/{rounds} {name}: {run.seconds:.3f} s", file=sys.stderr, flush=True)
        return result

    def _once(self, case: Case, name: str, contender: Contender) -> Run | None:
        # Repeated cases keep what the warm-up wrote: finding it there is what they are about.
        if not case.repeated:
            _empty(self.scratch)
        registry = self.secure if case.tls else self.plain
        job = Job(case.kind, registry, self.images[case.image], self.scratch / f"{name}.out")
        command = None if case.repeated and name not in (OURS, "skopeo") else contender(job)
        if command is None:
            return None
        run = timed(command.argv, self.scratch, command.environ)
        _check(job, name)
        return run


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _check(job: Job, name: str) -> None:
    """Raise `RunError` unless everything arrived: who leaves work out must not win."""
    if job.kind == "docker-archive":
        if job.target.stat().st_size < job.image.tar_bytes:
            raise RunError(f"{name} wrote an archive smaller than the layers")
    elif job.kind == "oci":
        folder = job.target if name == "floor" else job.target / "blobs" / "sha256"
        for digest, size in job.image.blobs.items():
            path = folder / digest.partition(":")[2]
            if not path.is_file() or path.stat().st_size != size:
                raise RunError(f"{name} did not write {digest} with its {size} bytes")
