"""The cases of the matrix, each a value that is made again from its seed, and what is done in every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from pyskopeo.errors import DestinationRefused, PyskopeoError
from tests.support.faults import Drip

from .fetches import Fetches
from .images import LARGE
from .invariants import Violated, check_between, check_final, check_stored, require
from .part_troubles import LATER
from .places import DESTINATIONS, PAIRS
from .scenes import Run, Scene, Undisturbed, job_for, opened, undisturbed
from .troubles import Ends, catalogue

# So much for each connection that others join it.
SLOW = Drip(8 * 1024, 0.01)
# What happens to blobs that are fetched in parts.
IN_PARTS = ("cut", "dies", "429-burst", "500-burst", "wrong-byte", "range-ignored", "range-wrong-start", "disk-full", "killed")
# What happens to blobs that go through a content store.
WITH_STORE = (
    "cut", "dies", "wrong-byte", "500-always", "disk-full", "write-error", "rename-error", "create-error", "read-only",
    "asleep", "clock-set", "killed",
)  # fmt: skip
# Seconds after which a transfer that stands still is given up where that is the trouble.
_SHORT = 0.3


@dataclass(frozen=True, slots=True)
class Case:
    """A copy from ``source`` to ``destination`` in one trouble or several, and then one without.

    ``rounds`` are the troubles of one copy after another. With ``in_parts`` the connection to a registry is so slow
    that the largest layer is fetched in parts; with ``store`` there is a content store. ``number`` decides, with the rest, all that is random.
    """

    source: str
    destination: str
    rounds: tuple[tuple[str, ...], ...]
    number: int = 0
    in_parts: bool = False
    store: bool = False

    def __str__(self) -> str:
        troubles = "-then-".join("+".join(troubles) for troubles in self.rounds)
        how = "in-parts-" * self.in_parts + "with-store-" * self.store
        return f"{self.source}-to-{self.destination}-{troubles}-{how}{self.number}"

    def run(self, folder: Path) -> None:
        """Run the case in an empty folder; raises `Violated`."""
        rng = Random(str(self))
        fresh, backend = rng.random() < 0.5, rng.choice(("asyncio", "trio"))
        resume = rng.random() < 0.8
        reference = undisturbed(self.source, self.destination, fresh=fresh)
        with opened(self.source, self.destination, folder, fresh=fresh, backend=backend) as scene:
            store = folder / "store" if self.store else None
            scene.job = job_for(scene, resume=resume, in_parts=self.in_parts, store=store)
            start, killed = scene.state(), False
            for place, troubles in enumerate(self.rounds):
                before, stored = scene.state(), scene.stored()
                run = _disturbed(scene, reference, troubles, rng, first=not place)
                # Where no file can be renamed any more, nothing can be put back or cleaned up either.
                killed = (killed or not {"killed", "read-only"}.isdisjoint(troubles)) and run.error is not None
                after = scene.state()
                check_stored(stored, scene.stored(), killed=killed, finished=run.error is None)
                if run.error is None:
                    check_final(after, reference.final, before)
                else:
                    known = replace(start, uploads=before.uploads)
                    check_between(known, after, reference.final, killed=killed, resume=resume)
            _check_next_run(scene, reference)


def _disturbed(scene: Scene, reference: Undisturbed, troubles: tuple[str, ...], rng: Random, *, first: bool) -> Run:
    """Copy in these troubles, and look whether it ends as it should where nothing was copied before."""
    # Files that are damaged are made whole after calls work again.
    chosen = [catalogue()[name] for name in sorted(troubles, key=lambda name: not name.startswith("source-"))]
    with ExitStack() as stack:
        if scene.job.in_parts and scene.registry is not None:
            scene.registry.on_blob(LARGE, SLOW)
        for trouble in chosen:
            stack.enter_context(trouble.begin(scene, reference, rng))
        stalls = any(trouble.stalls for trouble in chosen)
        run = scene.run(job_for(scene, stall_timeout=_SHORT) if stalls else None)
    scene.heal()
    _check_end(run, chosen[0].ends if len(chosen) == 1 and first else "either")
    return run


def _check_end(run: Run, ends: Ends) -> None:
    if isinstance(run.error, PyskopeoError):
        message = str(run.error)
        require("an error is one line", unless=("\n" in message or not message) and message)
    if ends == "well" and run.error is not None:
        raise Violated("retries overcome it") from (run.error if isinstance(run.error, Exception) else None)
    require("it is an error", unless=ends == "badly" and run.error is None)


def _check_next_run(scene: Scene, reference: Undisturbed) -> None:
    """The next copy succeeds, fetches what is missing and nothing else, and leaves nothing but the image."""
    fetches, before, stored = Fetches(scene), scene.state(), scene.stored()
    refused = not scene.destination.replaces and before.names == reference.final.names
    run = scene.run()
    if refused:
        require("what is there is not replaced", unless=not isinstance(run.error, DestinationRefused))
    elif isinstance(run.error, Exception):
        raise Violated("the next run succeeds") from run.error
    check_final(scene.state(), reference.final, before)
    fetches.check(run)
    check_stored(stored, scene.stored(), finished=not refused)


def every_case() -> Iterator[Case]:
    """The cases of the suite: each trouble between all sources and destinations where it can happen."""
    for name, trouble in catalogue().items():
        before = (("dies",),) if name in LATER else ()
        for source, destination in PAIRS:
            if trouble.happens(source, destination):
                yield Case(source, destination, (*before, (name,)))
    for name in WITH_STORE:
        for destination in DESTINATIONS:
            if catalogue()[name].happens("docker", destination):
                yield Case("docker", destination, ((name,),), store=True)
    for name in IN_PARTS:
        for destination, place in DESTINATIONS.items():
            if place.local:
                yield Case("docker", destination, ((name,),), in_parts=True)


def random_case(seed: int) -> Case:
    """A case of the soak: one or several copies, each in one trouble or in several at once."""
    rng = Random(seed)
    source, destination = rng.choice(PAIRS)
    # Of a blob that comes in single bytes few may be missing, as in no other trouble and after no other copy.
    catalogued = ((name, one) for name, one in catalogue().items() if name != "range-one-byte")
    possible = [name for name, one in catalogued if one.happens(source, destination)]

    def troubles() -> tuple[str, ...]:
        # Of those with the files of a source, one at a time.
        one = rng.choice([name for name in possible if name.startswith("source-")] or possible)
        chosen = {one, *(name for name in possible if not name.startswith("source-"))}
        return tuple(sorted(rng.sample(sorted(chosen), min(len(chosen), rng.choice((1, 1, 1, 2, 3))))))

    rounds = tuple(troubles() for _ in range(rng.choice((1, 1, 2, 3))))
    in_parts, store = source == "docker" and rng.random() < 0.2, rng.random() < 0.3
    return Case(source, destination, rounds, seed, in_parts, store)
