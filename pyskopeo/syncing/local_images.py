"""Check whether an image in a local directory or layout is complete; no network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..engine.plan import has_foreign_urls
from ..errors import PyskopeoError
from ..streams.locations import LocalFile

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference, ImageSource
    from ..model.manifest import Manifest

_MAX_MANIFESTS = 20_000


async def complete_image(name: ImageReference, access: Access) -> Manifest | None:
    """Return the root manifest of a local image if all its manifests and blobs exist, else None.

    Blobs are checked by size, not read. Raises nothing for a damaged image: copying it again raises the error.
    """
    try:
        async with name.open_source(access) as source:
            root = await source.manifest()
            manifests = [root]
            for manifest in manifests:  # children are appended while this loop runs
                manifests += [await source.manifest(child) for child in manifest.manifests]
                if len(manifests) > _MAX_MANIFESTS or not _has_blobs(source, manifest, name.transport):
                    return None
    except PyskopeoError:
        return None
    return root


def _has_blobs(source: ImageSource, manifest: Manifest, transport: str) -> bool:
    for blob in manifest.blobs:
        if transport == "oci" and has_foreign_urls(blob):
            continue
        for location in source.blob(blob).locations:
            if not isinstance(location, LocalFile):
                return False
            try:
                size = os.stat(location.path).st_size
            except OSError:
                return False
            if size != blob.size and not manifest.is_schema1:  # schema 1 does not give sizes
                return False
    return True
