"""Images that a sync has written and whose sources are gone; no I/O."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .places import is_below, join_place
from .sync_request import SyncImage

if TYPE_CHECKING:
    from .record import Entry
    from .source_contents import SourceContents


@dataclass(frozen=True, slots=True)
class SurplusImage:
    """An image at the destination whose source is gone; ``key`` and ``entry`` are those of the record."""

    key: str
    entry: Entry
    image: SyncImage


def find_surplus(
    entries: Mapping[str, Entry], contents: SourceContents, listed: Collection[str], transport: str, destination: str
) -> list[SurplusImage]:
    """Return the images that the record says were copied from sources which are gone, in the order of their names.

    ``listed`` are the names at the destination that this run has images for. Keys that lead out of the destination, as
    only a record that was tampered with has them, are left out.
    """
    found = []
    for key, entry in sorted(entries.items()):
        if not contents.has_lost(entry.source):
            continue
        name = _name_of(key, transport, destination)
        if name is not None and name not in listed:
            found.append(SurplusImage(key, entry, SyncImage(entry.source, name)))
    return found


def _name_of(key: str, transport: str, destination: str) -> str | None:
    """Return the image name of a key of `PresenceCheck.key`, None if it is not at the destination."""
    if transport == "docker":
        name = f"docker:{key}"
        return name if is_below(name, join_place(transport, destination)) else None
    if transport == "oci":
        return f"oci:{destination}:{key}"
    path = os.path.normpath(key)
    if os.path.isabs(path) or path.split(os.sep)[0] in (os.pardir, os.curdir):
        return None
    return f"dir:{os.path.normpath(os.path.join(destination, path))}"
