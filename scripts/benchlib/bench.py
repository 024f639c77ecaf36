"""Run the cases: every contender in turn, with the same registries."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from . import earlier
from .cases import BEFORE, FLOOR, OURS, VARIANTS, Case
from .contenders import Contender, Job
from .environment import Environment
from .images import Image
from .links import Link
from .measure import Run, RunError, run_timed
from .peers import PEERS
from .places import Place
from .result_check import check_result
from .results import Result
from .samples import sample_file
from .target import InitialState, Target, empty
from .traffic import AccessLog, Traffic

# Contenders that can repeat a job with the warm-up's result in place: skopeo's sync refuses existing directories.
_REPEATERS = {"oci": (OURS, BEFORE, *PEERS), "sync-file": (OURS, BEFORE), "prefetch": (OURS,)}
# Bytes. For images over this size, the time that the system takes to provide memory is a part of the result.
_LARGE = 50_000_000
_SHORT = frozenset({"inspect", "version"})


@dataclass(frozen=True, slots=True)
class Bench:
    """A benchmark: its environment, its images by the names that cases use, its contenders by name."""

    environment: Environment
    images: Mapping[str, Image]
    contenders: Mapping[str, Contender]
    place: Place = Place.DISK

    def measure(self, case: Case, rounds: int) -> Result:
        """Run every contender once to warm up, then all in turn ``rounds`` times.

        A peer that fails is left out of the case; raises `RunError` when another contender does.
        """
        wanted = self.images[case.image].blobs_of(case.tag)
        own = self.images[case.image].own.get(case.tag, wanted)
        needed = own if case.initial is InitialState.FIRST_STORED else wanted
        result = Result(case, sum(wanted[digest] for digest in needed), sum(wanted.values()), self.place)
        empty(self.environment.scratch)
        empty(self.environment.target.storage)
        for number in range(rounds + 1):
            # In every second round backwards: whoever runs after a large job pays for the memory it has left behind.
            for name, contender in list(self.contenders.items())[:: -1 if number % 2 else 1]:
                if name in result.failed:
                    continue
                try:
                    done = self._run_once(case, name, contender)
                except RunError as error:
                    if name not in PEERS:
                        raise
                    print(f"  {case.name}: {name} is left out: {error}", file=sys.stderr, flush=True)
                    result.leave_out(name, str(error))
                    continue
                if done and number:
                    result.add(name, *done)
                    took = f"{done[0].seconds:.3f} s"
                    print(f"  {case.name} {number}/{rounds} {name}: {took}", file=sys.stderr, flush=True)
        return result

    def _run_once(self, case: Case, name: str, contender: Contender) -> tuple[Run, Traffic | None] | None:
        """Run one contender; None if it cannot do the job, or does not belong to the case."""
        # The least work that is needed is known on loopback only.
        far = name == FLOOR and case.link is not Link.LOOPBACK
        if far or (name in VARIANTS and case.baseline != name) or (case.contenders and name not in case.contenders):
            return None
        # Where the image has to be present already, it is the warm-up's result.
        if case.initial is not InitialState.IMAGE:
            empty(self.environment.scratch)
        elif name not in _REPEATERS.get(case.kind, self.contenders):
            return None
        job = self._make_job(case, name)
        command = contender(job)
        if command is None:
            return None
        earlier.prepare(case.initial, contender, job, self.environment.scratch)
        if job.target is not None:
            job.target.prepare(case.initial)
        counted = job.target.registry if job.target else job.registry if case.counts_source else None
        log = AccessLog(counted) if counted else None
        large = job.image.size > _LARGE and case.kind not in _SHORT
        run = run_timed(command.argv, self.environment.scratch, command.environ, large=large)
        traffic = log.traffic(job.image.blobs) if log else None
        check_result(job, name)
        return run, traffic

    def _make_job(self, case: Case, name: str) -> Job:
        image, source = self.images[case.image], self.environment.source
        registry = self.environment.secure if case.tls else source.registry
        host = registry.host if case.tls else source.host(case.link)
        target = self._target(case, image) if case.kind == "docker" else None
        folder = self.environment.scratch
        stored = case.initial in (InitialState.STORED, InitialState.FIRST_STORED)
        store = folder / "store" if stored else None
        digest = image.manifests.get(case.tag, "")
        wanted = sample_file(image, source.registry, self.environment.cache) if case.kind == "extract-one" else ""
        path = folder / f"{name}.out"
        return Job(case.kind, registry, host, image, path, target, case.tag, digest, store, wanted)

    def _target(self, case: Case, image: Image) -> Target:
        other = case.initial is InitialState.OTHER_REPOSITORY
        server = self.environment.source if other else self.environment.target
        repository = f"{self.environment.pushed}/{image.repository}"
        return Target(server.registry, server.storage, server.host(case.link), repository)
