"""Troubles with the disk that is written to, clocks that jump, and the process killed."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from random import Random
from typing import TypeAlias

from tests.support.clocks import Jump, JumpingClocks
from tests.support.system_calls import NAMES, WRITES, DiskFull, Failing, Incident, Moment, SystemCalls

from .scenes import Kill, Scene, Undisturbed
from .troubles import Ends, anywhere, trouble, writes_files

_Choose: TypeAlias = Callable[[Undisturbed, Random], Incident]
_HOUR, _YEAR = 3600.0, 365 * 86400.0
# Readings of a clock in a copy, at least.
_READINGS = 8


def _writes_in_its_way(source: str, destination: str) -> bool:
    """Whether files are written; of sources whose blobs are copied in the same way, one is enough."""
    return writes_files(source, destination) and source not in ("dir", "oci-archive")


def _add(name: str, ends: Ends, choose: _Choose) -> None:
    def begin(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
        with SystemCalls(choose(undisturbed, rng)):
            yield

    trouble(name, ends, _writes_in_its_way)(begin)


def _one(undisturbed: Undisturbed, rng: Random, names: tuple[str, ...], error: int, *, lasting: bool = False) -> Failing:
    """One of the calls of these names that a copy makes fails."""
    return Failing(names, rng.randrange(max(1, undisturbed.count(*names))), error, lasting=lasting)


_add("disk-full", "either", lambda undisturbed, rng: DiskFull(rng.randrange(undisturbed.written)))
_add("disk-full-at-once", "badly", lambda undisturbed, rng: DiskFull(rng.randrange(1000)))
_add("write-error", "either", lambda undisturbed, rng: _one(undisturbed, rng, tuple(WRITES), errno.EIO))
_add("over-quota", "either", lambda undisturbed, rng: _one(undisturbed, rng, tuple(WRITES), errno.EDQUOT, lasting=True))
_add("rename-error", "either", lambda undisturbed, rng: _one(undisturbed, rng, ("replace", "rename", "link"), errno.EIO))
_add("create-error", "either", lambda undisturbed, rng: _one(undisturbed, rng, ("open", "mkdir"), errno.EIO))
_add("no-inodes", "either", lambda undisturbed, rng: _one(undisturbed, rng, ("open", "mkdir"), errno.ENOSPC, lasting=True))
_add("read-only", "either", lambda undisturbed, rng: _one(undisturbed, rng, NAMES, errno.EROFS, lasting=True))


@trouble("asleep", "well", anywhere)
def _asleep(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
    with JumpingClocks(monotonic=Jump(rng.randrange(_READINGS), rng.choice((30.0, _HOUR, 30 * 24 * _HOUR)))):
        yield


@trouble("clock-set", "well", anywhere)
def _clock_set(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
    with JumpingClocks(wall=Jump(rng.randrange(_READINGS), rng.choice((-1, 1)) * rng.choice((2.0, _HOUR, _YEAR)))):
        yield


@trouble("killed", "either", anywhere)
def _killed(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
    """At a call that changes a file, or at any other moment; where no file is written, at that."""
    if undisturbed.changes and rng.random() < 0.8:
        moments: tuple[Moment, ...] = ("before", "middle", "after")
        scene.kill = Kill((rng.randrange(undisturbed.changes), rng.choice(moments)))
    else:
        scene.kill = Kill(requests=rng.randint(0, undisturbed.requests), seconds=rng.random() * 0.01)
    yield
    scene.kill = None
