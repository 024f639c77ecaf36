"""Places where the bytes of a blob are known to be, so that destinations can link, copy or mount them."""

from __future__ import annotations

from os import stat_result
from pathlib import Path
from typing import TypeAlias

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A range of a file on this machine: ``size`` bytes from ``offset``, or up to its end if ``size`` is None.

    ``linkable`` marks a whole file that this process wrote and verified: it may be hard-linked, and it may have been
    removed since. ``verified`` is the status of a whole file that was verified, None if it is not known to be.
    """

    path: Path
    offset: int = 0
    size: int | None = None
    linkable: bool = False
    verified: stat_result | None = None


@dataclass(frozen=True, slots=True)
class RegistryBlob:
    """The same blob in a ``repository`` of a registry; ``host`` is the host, and port, of the registry's API."""

    host: str
    repository: str


Location: TypeAlias = LocalFile | RegistryBlob
