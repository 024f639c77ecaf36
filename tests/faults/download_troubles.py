"""Troubles of a registry that is copied from, and of the network to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import TypeAlias, get_args

from tests.support.faults import (
    Body,
    Chunked,
    Cut,
    Delay,
    Drop,
    Endless,
    Fault,
    Flip,
    Gzipped,
    Long,
    RangeMode,
    Ranges,
    Refuse,
    Short,
    Stall,
)
from tests.support.simulator import Simulator

from .images import LARGE, NEW, SIZES, WANTED
from .scenes import Scene, Undisturbed
from .troubles import Ends, downloads, trouble

# Bytes of the largest layer: what fails there again and again makes too little progress for retries to begin anew.
_LITTLE = 10_000

# Faults of the responses for one blob, for its digest and size.
_Faults: TypeAlias = Callable[[Random, int], tuple[Fault, ...]]


def _registry(scene: Scene) -> Simulator:
    assert scene.registry is not None
    return scene.registry


def _on_some_blob(name: str, ends: Ends, faults: _Faults, *, times: int | None, stalls: bool = False) -> None:
    """Add a trouble with one of the wanted layers, in its first ``times`` responses, or one fewer; None: in all."""

    def begin(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
        digest = rng.choice(WANTED) if times else LARGE
        count = times and rng.randint(max(1, times - 1), times)
        _registry(scene).on_blob(digest, *faults(rng, SIZES[digest]), times=count)
        yield

    trouble(name, ends, downloads, stalls=stalls)(begin)


def _on_some_path(name: str, ends: Ends, pattern: str, faults: _Faults, *, times: int | None) -> None:
    """Add a trouble with all responses to paths of this pattern, ``times`` of them or all."""

    def begin(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
        _registry(scene).on(pattern, *faults(rng, len(NEW.root.raw)), times=times)
        yield

    trouble(name, ends, downloads)(begin)


_BLOBS, _MANIFESTS, _ALL = "/v2/*/blobs/*", "/v2/*/manifests/*", "/v2/*"

_on_some_blob("cut", "well", lambda rng, size: (Cut(rng.randrange(size)),), times=2)
_on_some_blob("cut-by-reset", "well", lambda rng, size: (Cut(rng.randrange(size), reset=True),), times=2)
_on_some_blob("cut-chunks", "well", lambda rng, size: (Chunked(), Cut(rng.randrange(size))), times=2)
_on_some_blob("cut-always", "badly", lambda rng, size: (Cut(rng.randrange(_LITTLE)),), times=None)
_on_some_blob("stall", "well", lambda rng, size: (Stall(rng.randrange(size)),), times=1, stalls=True)
_on_some_blob("stall-always", "badly", lambda rng, size: (Stall(rng.randrange(_LITTLE)),), times=None, stalls=True)
_on_some_blob("no-answer", "well", lambda rng, size: (Delay(3.0),), times=1, stalls=True)
_on_some_blob("closed", "well", lambda rng, size: (Drop(),), times=2)
_on_some_blob("reset", "well", lambda rng, size: (Drop(reset=True),), times=2)
_on_some_blob("reset-always", "badly", lambda rng, size: (Drop(reset=True),), times=None)
_on_some_blob("429-burst", "well", lambda rng, size: (Refuse(429, retry_after=0),), times=2)
_on_some_blob("500-burst", "well", lambda rng, size: (Refuse(rng.choice((500, 502, 503, 504))),), times=2)
_on_some_blob("denied", "badly", lambda rng, size: (Refuse(rng.choice((403, 404, 410))),), times=None)
_on_some_blob("wrong-byte", "badly", lambda rng, size: (Flip(rng.randrange(size)),), times=None)
_on_some_blob("wrong-byte-once", "badly", lambda rng, size: (Flip(rng.randrange(size)),), times=1)
_on_some_blob("wrong-bytes", "badly", lambda rng, size: (Body(rng.randbytes(size)),), times=None)
_on_some_blob("empty", "badly", lambda rng, size: (Body(b""),), times=None)
_on_some_blob("short", "badly", lambda rng, size: (Short(rng.randint(1, size - 1)),), times=None)
_on_some_blob("long", "badly", lambda rng, size: (Long(rng.randint(1, 100_000)),), times=None)
_on_some_blob("longer-than-said", "well", lambda rng, size: (Long(rng.randint(1, 100_000), agreeing=False),), times=2)
_on_some_blob("endless", "badly", lambda rng, size: (Endless(),), times=None)
_on_some_blob("encoded", "badly", lambda rng, size: (Gzipped(),), times=None)
_on_some_path("429-everywhere", "well", _ALL, lambda rng, size: (Refuse(429, retry_after=0),), times=2)
_on_some_path("429-always", "badly", _BLOBS, lambda rng, size: (Refuse(429, retry_after=0),), times=None)
_on_some_path("500-everywhere", "well", _ALL, lambda rng, size: (Refuse(rng.choice((500, 502, 503))),), times=2)
_on_some_path("500-always", "badly", _BLOBS, lambda rng, size: (Refuse(500),), times=None)
_on_some_path("manifest-cut", "well", _MANIFESTS, lambda rng, size: (Cut(rng.randrange(size)),), times=2)
_on_some_path("manifest-wrong-byte", "badly", _MANIFESTS, lambda rng, size: (Flip(rng.randrange(size)),), times=None)
_on_some_path("manifest-short", "badly", _MANIFESTS, lambda rng, size: (Short(rng.randint(1, size)),), times=None)


@trouble("dies", "badly", downloads)
def _dies(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
    """The registry is gone when it has sent a good part of a layer."""
    size = SIZES[LARGE]
    _registry(scene).on_blob(LARGE, Cut(rng.randrange(size // 4, size)), times=1)
    _registry(scene).on_blob(LARGE, Drop(reset=rng.random() < 0.5), skip=1)
    yield


def _on_ranges(mode: RangeMode) -> None:
    """Add a download that is cut, and whose rest the registry does not send as it is asked to."""

    def begin(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
        size = SIZES[LARGE]
        # Where each response has one byte, few should be missing.
        at = size - rng.randint(1, 20) if mode == "one-byte" else rng.randrange(1, size)
        _registry(scene).on_blob(LARGE, Cut(at), times=1)
        _registry(scene).on_blob(LARGE, Ranges(mode))
        yield

    trouble(f"range-{mode}", "well", downloads)(begin)


for _mode in get_args(RangeMode):
    _on_ranges(_mode)
