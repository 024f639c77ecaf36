"""Check whether an image in a local directory or layout is complete; no network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..engine.graph import read_entry
from ..engine.plan import has_foreign_urls
from ..errors import PyskopeoError
from ..model.descriptor import UNKNOWN_SIZE
from ..streams.locations import LocalFile

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest

_MAX_MANIFESTS = 20_000


async def complete_image(name: ImageReference, access: Access) -> Manifest | None:
    """Return the root manifest of a local image if all its manifests and blobs exist, else None.

    Blobs are checked by size, not read. Raises nothing for a damaged image: copying it again raises the error.
    """
    try:
        async with name.open_source(access) as source:
            root = await source.manifest()
            seen: set[Digest] = set()
            entries = list(root.manifests)
            if not _has_blobs(source, root, name.transport):
                return None
            while entries:
                entry = entries.pop()
                if entry.digest in seen:
                    continue
                seen.add(entry.digest)
                child = await read_entry(source, entry)
                present = _has_blob(source, entry) if child is None else _has_blobs(source, child, name.transport)
                if len(seen) > _MAX_MANIFESTS or not present:
                    return None
                entries += child.manifests if child else ()
    except PyskopeoError:
        return None
    return root


def _has_blobs(source: ImageSource, manifest: Manifest, transport: str) -> bool:
    """Return whether the blobs of a manifest exist, all of them: an index has none of its own."""
    return manifest.is_index or all(
        (transport == "oci" and has_foreign_urls(blob)) or _has_blob(source, blob) for blob in manifest.blobs
    )


def _has_blob(source: ImageSource, blob: Descriptor) -> bool:
    for location in source.blob(blob).locations:
        if not isinstance(location, LocalFile):
            return False
        try:
            size = os.stat(location.path).st_size
        except OSError:
            return False
        if blob.size not in (size, UNKNOWN_SIZE):
            return False
    return True
