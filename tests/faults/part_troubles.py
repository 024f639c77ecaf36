"""Troubles with what an interrupted copy has kept: damaged, exchanged, held by others. They come after `dies`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import TypeAlias

from pyskopeo.storage import part_files

from .images import SIZES
from .kept import is_kept
from .scenes import Scene, Undisturbed
from .troubles import downloads, trouble

_Change: TypeAlias = Callable[[Path, Random], object]
_DAY = 86400.0
# Troubles that are for what an earlier copy has left.
LATER: list[str] = []


def parts(scene: Scene) -> list[Path]:
    """The files of blobs that are not complete."""
    known = {digest.partition(":")[2][:40] for digest in SIZES}
    return [
        path for path in sorted(scene.there.rglob("*"))
        if is_kept(path.name) and path.name[1:41] in known and path.is_file() and not path.is_symlink()
    ]  # fmt: skip


def _changed(name: str, change: _Change) -> None:
    """Add a trouble in which all parts are changed."""

    def begin(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
        for part in parts(scene):
            change(part, rng)
        yield

    LATER.append(name)
    trouble(name, "well", downloads)(begin)


def _exchanged(name: str, put: Callable[[Path, Path], object], remove: Callable[[Path], object]) -> None:
    """Add a trouble in which something of somebody else has the name of each part; it is removed afterwards."""

    def begin(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
        found = parts(scene)
        for part in found:
            part.unlink()
            put(part, scene.neighbour)
        yield
        for part in found:
            if part.parent.exists():  # directories that are kept become the image, or are removed
                remove(part)

    LATER.append(name)
    trouble(name, "well", downloads)(begin)


def _flip(part: Path, rng: Random) -> None:
    with part.open("r+b") as file:
        place = rng.randrange(part.stat().st_size)
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def _append(part: Path, rng: Random) -> None:
    with part.open("ab") as file:
        file.write(rng.randbytes(max(SIZES.values())))


def _set_time(part: Path, seconds: float) -> None:
    moment = part.stat().st_mtime + seconds
    os.utime(part, (moment, moment))


def _remove_directory(part: Path) -> None:
    # Nothing may be in it; an empty one may have been removed as something that is old enough.
    if part.exists():
        part.rmdir()


_changed("part-damaged", _flip)
_changed("part-longer", _append)
_changed("part-emptied", lambda part, rng: os.truncate(part, 0))
_changed("part-for-all", lambda part, rng: part.chmod(0o666))
_changed("part-old", lambda part, rng: _set_time(part, -30 * _DAY))
_changed("part-of-tomorrow", lambda part, rng: _set_time(part, 30 * _DAY))
_exchanged("part-is-a-link", lambda part, other: part.symlink_to(other), lambda part: part.unlink(missing_ok=True))
_exchanged("part-is-another-file", lambda part, other: os.link(other, part), lambda part: part.unlink(missing_ok=True))
_exchanged("part-is-a-directory", lambda part, other: part.mkdir(), _remove_directory)


@trouble("part-held", "well", downloads)
def _held(scene: Scene, undisturbed: Undisturbed, rng: Random) -> Iterator[None]:
    """By a process that does not go on."""
    patience, part_files._PATIENCE = part_files._PATIENCE, 0.2
    found = parts(scene)
    with ExitStack() as stack:
        for part in found:
            fcntl.flock(stack.enter_context(part.open("rb")), fcntl.LOCK_EX)
        yield
    for part in found:
        part.unlink(missing_ok=True)
    part_files._PATIENCE = patience


LATER.append("part-held")
