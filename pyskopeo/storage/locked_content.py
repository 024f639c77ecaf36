"""The manifests in a lock file, as content for a layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NotFound
from ..model.lock_file import LOCK_LIMIT, LockFile
from .content_sources import ContentSource
from .files import read_bounded

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest
    from ..streams.pump import Blob

_ENDING = ".lock"
_KEY = b'"lockVersion"'


class LockedManifests(ContentSource):
    """The manifests of a lock file, which has their bytes and was compared with them; of blobs it has none."""

    def __init__(self, name: str, lock: LockFile) -> None:
        self.name, self._lock = name, lock

    async def manifest(self, descriptor: Descriptor) -> Manifest:
        found = self._lock.manifests.get(descriptor.digest)
        if found is None:
            raise NotFound(f"{self.name}: there is no {descriptor.digest}")
        return found

    async def blobs(self, descriptor: Descriptor) -> list[Blob]:
        return []


def open_lock(path: Path) -> LockedManifests | None:
    """Return the content of a lock file, None for a file that is none by its name, ``*.lock``, or by its content.

    Raises `NotFound`, `StorageFailed`, `InvalidContent` and `TooLarge`.
    """
    if path.suffix != _ENDING or not path.is_file() or path.stat().st_size > LOCK_LIMIT:
        return None
    raw = read_bounded(path, LOCK_LIMIT)
    return LockedManifests(str(path), LockFile.parse(raw, str(path))) if _KEY in raw else None
