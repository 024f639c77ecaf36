"""What a run fetches: only what is missing at the destination."""

from __future__ import annotations

from collections import Counter

from .images import CONFIGS, SIZES
from .invariants import require
from .scenes import Run, Scene

# Whether the next run goes on with a blob where the last one has stopped. As long as it does not, it fetches whole blobs.
RESUMES = False
# The destinations at which two processes fetch each blob once between them.
LOCKS: tuple[str, ...] = ()
# Bytes of a blob that may be fetched a second time.
_ALLOWANCE = 64 * 1024
_WRITTEN = ("written", "linked", "mounted")


def asked_blobs(scene: Scene, since: int = 0) -> Counter[str]:
    """How often each blob was asked for, configurations aside, which are read where manifests are converted."""
    requests = scene.registry.requests[since:] if scene.registry else ()
    asked = (request.path.rpartition("/")[2] for request in requests if request.method == "GET" and "/blobs/" in request.path)
    return Counter(digest for digest in asked if digest not in CONFIGS)


class Fetches:
    """What was at the destination before a run, and what has been fetched before it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        state = scene.state()
        self._present = {digest for digest in SIZES if state.holds(digest)} if scene.destination.remembers else set()
        self._kept = _kept(state.temporary) if RESUMES else {}
        self._asked = len(scene.registry.requests) if scene.registry else 0

    def check(self, run: Run) -> None:
        """Raise `Violated` if the run has fetched, or written, more than was missing."""
        again = [d for d, placement in run.placements.items() if d in self._present and placement in _WRITTEN]
        require("what is there is not written again", unless=again)
        self.check_requests()

    def check_requests(self) -> None:
        """Raise `Violated` if more than was missing has been fetched since."""
        asked = asked_blobs(self._scene, self._asked)
        require("nothing else is fetched", unless=sorted(asked.keys() - {d for i in self._scene.images for d in i.blobs}))
        require("what is there is not fetched", unless=sorted(asked.keys() & self._present))
        require("nothing is fetched twice", unless=[digest for digest, count in asked.items() if count > 1])
        for digest, count in self._sent().items():
            most = SIZES[digest] - self._kept.get(digest, 0) + (_ALLOWANCE if digest in self._kept else 0)
            require("only missing bytes are fetched", unless=count > most and f"{count} of {digest}, want {most}")

    def _sent(self) -> Counter[str]:
        """How many bytes of each blob have come since."""
        found: Counter[str] = Counter()
        if self._scene.registry is not None:
            requests, sent = self._scene.registry.requests, self._scene.registry.sent
            for place in range(self._asked, len(requests)):
                digest = requests[place].path.rpartition("/")[2]
                if digest in SIZES and digest not in CONFIGS:
                    found[digest] += sent[place]
        return found


def _kept(temporary: dict[str, bytes]) -> dict[str, int]:
    """The bytes of each blob that are in its part file."""
    kept: dict[str, int] = {}
    for path, content in temporary.items():
        name = path.rpartition("/")[2]
        for digest in SIZES:
            if name.startswith(f".{digest.partition(':')[2][:40]}."):
                kept[digest] = max(kept.get(digest, 0), len(content))
    return kept
