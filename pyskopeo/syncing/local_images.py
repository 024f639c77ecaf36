"""What is in a local directory or layout: whether there is an image, and whether it is complete; no network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..engine.children import read_entry
from ..engine.plan import has_foreign_urls
from ..errors import PyskopeoError
from ..fast_dataclass import replace
from ..model.descriptor import UNKNOWN_SIZE
from ..storage.partial_files import completed_names, is_partial
from ..storage.shared_files import RunFiles
from ..streams.locations import LocalFile
from ..transports import directory
from ..transports.directory import DirReference
from ..transports.oci import OciReference

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..storage.existing_blobs import ExistingBlobs

_MAX_MANIFESTS = 20_000


def is_occupied(name: ImageReference, access: Access) -> bool:
    """Return whether there is anything at a local destination that a copy would replace; raises nothing."""
    if isinstance(name, DirReference):
        try:
            return not all(map(is_partial, os.listdir(name.path)))
        except NotADirectoryError:
            return True
        except OSError:
            return False
    if isinstance(name, OciReference):
        try:
            return bool(RunFiles.of(access).index(name.path).read().positions(name.name))
        except PyskopeoError:
            return False
    return False


def remove_leftovers(name: ImageReference, access: Access) -> None:
    """Remove what interrupted runs have left at a local destination whose image is complete; errors are ignored.

    A copy does so itself, but of an image that is there already none is made.
    """
    files = RunFiles.of(access)
    if isinstance(name, DirReference):
        directory.remove_leftovers(name.path, files)
    elif isinstance(name, OciReference):
        blobs = access.storage.shared_blobs or name.path / "blobs"
        for folder in (name.path, blobs / "sha256", blobs / "sha512"):
            files.remove_leftovers(folder, done=completed_names(folder))


async def root_manifest(name: ImageReference, access: Access) -> Manifest | None:
    """Return the root manifest of a local image, None if there is none that can be read."""
    try:
        async with name.open_source(access) as source:
            return await source.manifest()
    except PyskopeoError:
        return None


async def is_complete(name: ImageReference, root: Manifest, access: Access) -> bool:
    """Return whether all manifests and blobs of a local image exist, with the right content.

    A blob is read unless it is known to be unchanged since it was verified. Raises nothing for a damaged image: copying
    it again raises the error.
    """
    existing = RunFiles.of(access).existing_blobs(access)
    try:
        async with name.open_source(access) as source:
            if not await _has_blobs(source, root, name.transport, existing):
                return False
            seen: set[Digest] = set()
            entries = list(root.manifests)
            while entries:
                entry = entries.pop()
                if entry.digest in seen:
                    continue
                seen.add(entry.digest)
                child = await read_entry(source, entry)
                if child is None:
                    present = await _has_blob(source, entry, existing)
                else:
                    present = await _has_blobs(source, child, name.transport, existing)
                if len(seen) > _MAX_MANIFESTS or not present:
                    return False
                entries += child.manifests if child else ()
    except PyskopeoError:
        return False
    return True


async def _has_blobs(source: ImageSource, manifest: Manifest, transport: str, existing: ExistingBlobs) -> bool:
    """Return whether the blobs of a manifest exist, all of them: an index has none of its own."""
    if manifest.is_index:
        return True
    for blob in manifest.blobs:
        if not (transport == "oci" and has_foreign_urls(blob)) and not await _has_blob(source, blob, existing):
            return False
    return True


async def _has_blob(source: ImageSource, blob: Descriptor, existing: ExistingBlobs) -> bool:
    locations = source.blob(blob).locations
    for location in locations:
        if not isinstance(location, LocalFile):
            return False
        # Schema 1 gives no sizes.
        sized = replace(blob, size=await source.blob_size(blob)) if blob.size == UNKNOWN_SIZE else blob
        if not await existing.holds(location.path, sized):
            return False
    return bool(locations)
