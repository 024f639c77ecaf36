"""What goes wrong during a copy: the catalogue. Each trouble lasts as long as its context is entered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from .places import DESTINATIONS, SOURCES
from .scenes import Scene, Undisturbed

Begin: TypeAlias = Callable[[Scene, Undisturbed, Random], AbstractContextManager[None]]
Ends: TypeAlias = Literal["well", "badly", "either"]
Where: TypeAlias = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Trouble:
    """``ends`` says how a copy in this trouble ends: retries overcome it, they cannot, or it depends on the moment.

    ``happens`` says between which source and destination there can be such a trouble. With ``stalls`` the copy gives
    up a transfer that stands still after a short time.
    """

    begin: Begin
    ends: Ends
    happens: Where
    stalls: bool = False


TROUBLES: dict[str, Trouble] = {}
_Make: TypeAlias = Callable[[Scene, Undisturbed, Random], Iterator[None]]


def trouble(name: str, ends: Ends, happens: Where, *, stalls: bool = False) -> Callable[[_Make], _Make]:
    """Add a generator function to the catalogue, as a context manager."""

    def add(make: _Make) -> _Make:
        assert name not in TROUBLES
        TROUBLES[name] = Trouble(contextmanager(make), ends, happens, stalls)
        return make

    return add


def downloads(source: str, destination: str) -> bool:
    """Whether blobs come from a registry."""
    return source == "docker"


def uploads(source: str, destination: str) -> bool:
    """Whether blobs go to a registry."""
    return not DESTINATIONS[destination].local


def reads_files(source: str, destination: str) -> bool:
    """Whether blobs come from files."""
    return SOURCES[source].local


def writes_files(source: str, destination: str) -> bool:
    """Whether files are written: at the destination, or an archive that is unpacked on the way."""
    return DESTINATIONS[destination].local or source == "oci-archive-gz"


def anywhere(source: str, destination: str) -> bool:
    """Every copy."""
    return True


def catalogue() -> Mapping[str, Trouble]:
    """All troubles by name."""
    from . import disk_troubles, download_troubles, part_troubles, source_troubles, upload_troubles

    assert all((disk_troubles, download_troubles, part_troubles, source_troubles, upload_troubles))
    return TROUBLES
