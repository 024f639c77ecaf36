"""Where a benchmark writes: destinations, the target registry's storage, the content store; on disk or in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

# Bytes: an archive of the largest image, or the image in the store and in a layout.
_NEEDED = 5 * 1024**3
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_MOUNTS = Path("/proc/self/mounts")


class Place(Enum):
    """What kind of file system the destinations are on."""

    DISK = "disk"
    TMPFS = "tmpfs"


PLACES = {"disk": (Place.DISK,), "tmpfs": (Place.TMPFS,), "both": (Place.TMPFS, Place.DISK)}


class PlaceError(Exception):
    """There is no directory of the wanted kind."""


def directory(place: Place, cache: Path, *, needed: int = _NEEDED) -> Path:
    """Return the directory to write to: ``cache``, or a tmpfs with ``needed`` bytes free; raises `PlaceError`."""
    mounts = _MOUNTS.read_text().splitlines() if _MOUNTS.exists() else []
    if place is Place.DISK:
        if filesystem(cache, mounts) in _IN_MEMORY:
            raise PlaceError(f"{cache} is in memory: name a directory on a disk with --cache, or measure --on tmpfs")
        return cache
    for candidate in (Path("/dev/shm"), Path("/tmp")):
        if filesystem(candidate, mounts) == "tmpfs" and _free(candidate) >= needed:
            return candidate
    raise PlaceError(f"there is no tmpfs with {needed / 1e9:.1f} GB free at /dev/shm or /tmp: measure --on disk")


def filesystem(path: Path, mounts: Iterable[str]) -> str:
    """Return the type of the file system of ``path``, from lines of ``/proc/self/mounts``; empty if unknown."""
    where = path.resolve()
    best, found = -1, ""
    for line in mounts:
        _, mounted, kind, *_ = line.split()
        folder = Path(mounted.replace("\\040", " "))
        # Of two file systems at one directory, the later one is seen.
        if where.is_relative_to(folder) and len(folder.parts) >= best:
            best, found = len(folder.parts), kind
    return found


def _free(folder: Path) -> int:
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize
