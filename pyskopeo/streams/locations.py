"""Where the bytes of a blob are known to lie, for destinations that can do better than to stream them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class LocalFile:
    """Bytes of a file on this machine: ``size`` of them from ``offset``, or all to its end.

    ``linkable`` is a whole file of our own making, verified when it was written: it may get a second
    name, and may be gone by now.
    """

    path: Path
    offset: int = 0
    size: int | None = None
    linkable: bool = False


@dataclass(frozen=True, slots=True)
class RegistryBlob:
    """The same bytes in a repository of a registry, given by the host its API is at."""

    host: str
    repository: str


Location: TypeAlias = LocalFile | RegistryBlob
