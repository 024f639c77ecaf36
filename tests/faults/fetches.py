"""What a run fetches: only what is missing at the destination."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from .images import CONFIGS, SIZES
from .invariants import require
from .kept import kept_bytes
from .scenes import Run, Scene

# The destinations at which two processes fetch each blob once between them.
LOCKS = ("oci", "oci-shared", "sync-oci")
# Bytes of a blob that may be fetched a second time.
_ALLOWANCE = 64 * 1024
_WRITTEN = ("written", "linked", "mounted")


def asked_blobs(scene: Scene, agent: str = "") -> Counter[str]:
    """How often each blob was asked for, and by whom; not configurations, which are read where manifests are converted."""
    return Counter(digest for digest, _ in _requests(scene, agent))


def _requests(scene: Scene, agent: str) -> Iterator[tuple[str, int]]:
    """The blob of each request, and the number of bytes that were sent for it."""
    if scene.registry is not None:
        for request, sent in zip(scene.registry.requests, scene.registry.sent, strict=False):
            digest, by = request.path.rpartition("/")[2], request.header("User-Agent") or ""
            if request.method == "GET" and "/blobs/" in request.path and digest not in CONFIGS and by.startswith(agent):
                yield digest, sent


class Fetches:
    """What was at the destination before the next run of a scene, which is told apart from earlier ones."""

    def __init__(self, scene: Scene) -> None:
        scene.job = replace(scene.job, agent="next")
        self._scene = scene
        state = scene.state()
        self._present = {digest for digest in SIZES if state.holds(digest)} if scene.destination.remembers else set()
        stored = scene.stored()
        self._stored = stored.blobs.keys() & SIZES
        # Where each image has its own directory, an image may be copied first that has not kept the part that they share.
        kept = state.temporary | stored.temporary if scene.destination.remembers else stored.temporary
        self._kept = kept_bytes(kept) if scene.job.resume else {}

    def bytes_of(self, digest: str) -> int:
        """The number of bytes of a blob that were sent since."""
        return sum(sent for found, sent in _requests(self._scene, self._scene.job.agent) if found == digest)

    def check(self, run: Run) -> None:
        """Raise `Violated` if the run has fetched, or written, more than was missing."""
        again = [d for d, placement in run.placements.items() if d in self._present and placement in _WRITTEN]
        require("what is there is not written again", unless=again)
        self.check_requests()

    def check_requests(self) -> None:
        """Raise `Violated` if more than was missing has been fetched since."""
        asked = asked_blobs(self._scene, self._scene.job.agent)
        require("nothing else is fetched", unless=sorted(asked.keys() - {d for i in self._scene.images for d in i.blobs}))
        require("what is there is not fetched", unless=sorted(asked.keys() & (self._present | self._stored)))
        if not self._scene.job.in_parts:
            require("nothing is fetched twice", unless=[digest for digest, count in asked.items() if count > 1])
        for digest, sent in _requests(self._scene, self._scene.job.agent):
            most = min(SIZES[digest], SIZES[digest] - self._kept.get(digest, 0) + _ALLOWANCE)
            require("only missing bytes are fetched", unless=sent > most and f"{sent} of {digest}, want {most}")
