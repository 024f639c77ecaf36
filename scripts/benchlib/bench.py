"""The cases, carried out: every contender in turn on the same registries."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from .arrival import check
from .cases import OURS, Case, Result, Unit
from .contenders import Contender, Job
from .ground import Ground
from .images import Image
from .measure import Run, Runs, timed
from .target import Given, Target, empty
from .traffic import AccessLog, Traffic

# Who can do a job again over what the warm-up wrote: skopeo's sync refuses directories that are there.
_REPEATERS = {"oci": (OURS, "skopeo"), "sync-file": (OURS,)}
# Bytes: from here on, where memory comes from is a part of what is measured.
_LARGE = 50_000_000
_SHORT = frozenset({"inspect", "version"})


@dataclass(frozen=True, slots=True)
class Bench:
    """Who is measured, and on what. ``images`` are by the names in the cases."""

    ground: Ground
    images: Mapping[str, Image]
    contenders: Mapping[str, Contender]

    def measure(self, case: Case, rounds: int) -> Result:
        """Every contender once to warm up, then in turn, ``rounds`` times; raises `RunError`."""
        result = Result(case)
        empty(self.ground.scratch)
        empty(self.ground.target.storage)
        for number in range(rounds + 1):
            for name, contender in self.contenders.items():
                done = self._once(case, name, contender)
                if done and number:
                    run, traffic = done
                    result.runs.setdefault(name, Runs()).runs.append(run)
                    if traffic:
                        result.traffic.setdefault(name, []).append(traffic)
                    print(f"  {case.name} {number}/{rounds} {name}: {run.seconds:.3f} s", file=sys.stderr, flush=True)
        return result

    def _once(self, case: Case, name: str, contender: Contender) -> tuple[Run, Traffic | None] | None:
        # Where the image is to be found already, that is what the warm-up wrote.
        if case.given is not Given.IMAGE:
            empty(self.ground.scratch)
        elif name not in _REPEATERS.get(case.kind, self.contenders):
            return None
        job = self._job(case, name)
        command = contender(job)
        if command is None:
            return None
        if job.to is not None:
            job.to.prepare(case.given)
        counted = job.to.registry if job.to else job.registry if case.unit is Unit.HEADS else None
        log = AccessLog(counted) if counted else None
        large = job.image.size > _LARGE and case.kind not in _SHORT
        run = timed(command.argv, self.ground.scratch, command.environ, large=large)
        traffic = log.traffic(job.image.blobs) if log else None
        check(job, name)
        return run, traffic

    def _job(self, case: Case, name: str) -> Job:
        image, source = self.images[case.image], self.ground.source
        registry = self.ground.secure if case.tls else source.registry
        host = registry.host if case.tls else source.host(case.line)
        to = self._to(case, image) if case.kind == "docker" else None
        return Job(case.kind, registry, host, image, self.ground.scratch / f"{name}.out", to)

    def _to(self, case: Case, image: Image) -> Target:
        place = self.ground.source if case.given is Given.NEIGHBOUR else self.ground.target
        repository = f"{self.ground.pushed}/{image.repository}"
        return Target(place.registry, place.storage, place.host(case.line), repository)
