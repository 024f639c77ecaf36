"""What is in a directory or a layout already: nothing is asked of anybody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..engine.plan import stays_away
from ..errors import PyskopeoError
from ..streams.locations import LocalFile

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference, ImageSource
    from ..model.manifest import Manifest

_MOST_MANIFESTS = 20_000


async def whole_image(place: ImageReference, access: Access) -> Manifest | None:
    """Return the root manifest of a local image, if all that it names is there, by size; None otherwise.

    An incomplete or damaged image is left to the copy, which raises the error.
    """
    try:
        async with place.open_source(access) as source:
            root = await source.manifest()
            manifests = [root]
            for manifest in manifests:  # grows while it is walked
                manifests += [await source.manifest(child) for child in manifest.manifests]
                if len(manifests) > _MOST_MANIFESTS or not _has_blobs(source, manifest, place.transport):
                    return None
    except PyskopeoError:
        return None
    return root


def _has_blobs(source: ImageSource, manifest: Manifest, transport: str) -> bool:
    for blob in manifest.blobs:
        if transport == "oci" and stays_away(blob):
            continue
        for location in source.blob(blob).locations:
            if not isinstance(location, LocalFile):
                return False
            try:
                size = os.stat(location.path).st_size
            except OSError:
                return False
            if size != blob.size and not manifest.is_schema1:  # which does not say how large its layers are
                return False
    return True
