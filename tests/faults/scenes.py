"""One source, one destination with what is there before, and the copies between them."""

from __future__ import annotations

import functools
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType

import anyio

from pyskopeo.errors import PyskopeoError
from pyskopeo.model.events import BlobFinished, Event
from tests.support.images import BuiltImage
from tests.support.simulator import Simulator
from tests.support.system_calls import READS, Moment, SystemCalls

from .bounds import bounded
from .children import FAILED, started
from .images import NEW, NEXT, OLD
from .invariants import check_sound
from .jobs import Job
from .places import DESTINATIONS, SOURCES, Destination
from .states import Shape, State, read_folder, read_registry

# Seconds after which a copy hangs, whatever it waits for.
_HANGS = 60.0
_NEIGHBOUR = "neighbour.txt"


@dataclass(frozen=True, slots=True)
class Run:
    """How a copy ended: with ``error``, None for success; "" where another process ran it and was killed.

    ``placements`` is how each blob came to be at the destination, by digest.
    """

    error: PyskopeoError | str | None
    placements: dict[str, str]


@dataclass(frozen=True, slots=True)
class Kill:
    """When a process is killed: at a ``call``, as `Killing` has it, else ``seconds`` after so many requests."""

    call: tuple[int, Moment] | None = None
    requests: int = 0
    seconds: float = 0.0


class Scene:
    """``registry`` is the source, ``mirror`` the destination, where they are registries; honest unless told otherwise.

    ``here`` and ``there`` are the folders of source and destination, ``neighbour`` a file beside the latter's image. ``backend`` is the event loop to run copies on,
    ``kill`` says when the next one, in a process of its own, is killed.
    """

    def __init__(self, folder: Path, job: Job, destination: Destination, backend: str) -> None:
        self.folder, self.here, self.there = folder, folder / "here", folder / "there"
        self.job, self.destination, self.backend = job, destination, backend
        self.registry: Simulator | None = None
        self.mirror: Simulator | None = None
        self.neighbour = self.there / _NEIGHBOUR
        self.kill: Kill | None = None

    @property
    def images(self) -> tuple[BuiltImage, ...]:
        """What is copied."""
        return (NEW, NEXT) if self.destination.syncs else (NEW,)

    def state(self) -> State:
        """What is at the destination, and what is left of temporary files elsewhere."""
        state = read_registry(self.mirror) if self.mirror else State()
        files = read_folder(self.there, self.destination.shape)
        state.names |= files.names
        state.blobs |= files.blobs
        state.temporary |= files.temporary
        state.empty |= files.empty
        state.temporary |= {str(path): b"" for path in (self.folder / "tmp").rglob("*")}
        return state

    def stored(self) -> State:
        """What is in the content store, if there is one."""
        return read_folder(self.job.store, Shape(layouts=(".",), blobs=("blobs",))) if self.job.store else State()

    def run(self, job: Job | None = None) -> Run:
        """Copy; an error that is none of the package's goes through, and so does a copy that hangs."""
        job = job or self.job
        if self.kill is not None:
            return self._run_killed(job, self.kill)
        events: list[Event] = []
        error: PyskopeoError | None = None
        with _hanging(), _temporary_files(self.folder / "tmp"), bounded(self.folder):
            try:
                anyio.run(partial(job.run, events.append), backend=self.backend)
            except PyskopeoError as caught:
                error = caught
        placed = {str(event.digest): event.placement.value for event in events if isinstance(event, BlobFinished)}
        return Run(error, placed)

    def _run_killed(self, job: Job, kill: Kill) -> Run:
        with _hanging(), started(job, kill.call, self.backend) as process:
            if kill.call is None:
                while process.is_alive() and self.requests < kill.requests:
                    time.sleep(0.001)
                time.sleep(kill.seconds)
                process.kill()
            process.join()
            code = process.exitcode
        assert code in (-signal.SIGKILL, 0, FAILED), code
        return Run(None if code == 0 else "", {})

    @property
    def requests(self) -> int:
        """The number of requests to both registries so far."""
        return sum(len(registry.requests) for registry in (self.registry, self.mirror) if registry is not None)

    def heal(self) -> None:
        """Take away what registries do wrong."""
        self.kill = None
        for registry in (self.registry, self.mirror):
            if registry is not None:
                registry.heal()


@contextmanager
def opened(source: str, destination: str, folder: Path, *, fresh: bool, backend: str = "asyncio") -> Iterator[Scene]:
    """A scene in an empty folder; with ``fresh`` there is nothing at the destination before."""
    origin, place = SOURCES[source], DESTINATIONS[destination]
    for name in ("here", "there", "home", "tmp"):
        (folder / name).mkdir(parents=True)
    with ExitStack() as stack:
        registry = None if origin.local else stack.enter_context(Simulator(NEW, tag="new"))
        mirror = None if place.local else stack.enter_context(Simulator())
        if registry is not None and place.syncs:
            registry.add(NEXT, "test/image", "next")
        origin.write(folder / "here")
        if mirror is not None and not fresh:
            mirror.add(OLD, "test/image", "old")
        if place.local:
            (folder / "there" / _NEIGHBOUR).write_text("stays")
            if not fresh:
                place.write(folder / "there")
        from_name = (origin.sync_name if place.syncs else origin.name).format(
            here=folder / "here", host=registry.host if registry else ""
        )
        to_name = place.name.format(there=folder / "there", host=mirror.host if mirror else "")
        job = Job(
            from_name, to_name, folder / "home",
            syncs=(source, place.syncs) if place.syncs else None,
            shared_blobs=folder / "there" / place.shared if place.shared else None,
        )  # fmt: skip
        scene = Scene(folder, job, place, backend)
        scene.registry, scene.mirror = registry, mirror
        yield scene


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a copy does that nothing disturbs: the state it leads to, and the calls it makes on files.

    ``made`` has the number of calls by name, ``changes`` the number of those that change something, ``written`` is the
    number of bytes written, ``requests`` that of requests to registries.
    """

    final: State
    made: dict[str, int]
    changes: int
    written: int
    requests: int

    def count(self, *names: str) -> int:
        """The number of calls of these names."""
        return sum(self.made.get(name, 0) for name in names)

    @property
    def reads(self) -> int:
        """The number of calls that read."""
        return self.count(*READS)


@functools.cache
def undisturbed(source: str, destination: str, *, fresh: bool) -> Undisturbed:
    """Copy once without any fault, and look whether that alone is sound."""
    with (
        tempfile.TemporaryDirectory(prefix="undisturbed-") as folder,
        opened(source, destination, Path(folder), fresh=fresh) as scene,
    ):
        with SystemCalls() as calls:
            run = scene.run()
        if run.error is not None:
            raise AssertionError(f"{source} to {destination} fails by itself") from _as_error(run.error)
        state = scene.state()
        check_sound(state)
        assert state.temporary == {}
        return Undisturbed(state, dict(calls.made), calls.changes, calls.written, scene.requests)


def _as_error(error: PyskopeoError | str) -> Exception:
    return error if isinstance(error, Exception) else AssertionError(error)


@contextmanager
def _hanging() -> Iterator[None]:
    """Raise `TimeoutError` in the main thread if the block takes too long; event loops' own clocks may jump."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not finished after {_HANGS:.0f} s")

    previous = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, _HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextmanager
def _temporary_files(folder: Path) -> Iterator[None]:
    """Let the system's directory for temporary files be ``folder``."""
    previous, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = previous


def job_for(scene: Scene, **changes: object) -> Job:
    """The scene's job with other settings."""
    return replace(scene.job, **changes)  # type: ignore[arg-type] # as the fields are typed
