"""What is below an index: manifests, read level by level, and blobs that are entries themselves."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent, NotFound, Offline, RegistryError, TooLarge, Unsupported
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.concurrency import each
from .selection import check_depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..interfaces import ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest

MANIFESTS_AT_ONCE = 8
"""The number of manifests that are read at the same time."""
# Manifests and configurations of one copy: their size in bytes in total, their number, and the number of descriptors in
# them, each of which needs about 1 KiB of memory.
_TOTAL_LIMIT = 64 * 1024 * 1024
_MAX_DOCUMENTS = 20_000
_MAX_DESCRIPTORS = 100_000


@dataclass(slots=True)
class Children:
    """What is below an index, by digest: manifests, and blobs that are entries themselves."""

    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    blobs: dict[Digest, Descriptor] = field(default_factory=dict)

    def __contains__(self, digest: Digest) -> bool:
        return digest in self.manifests or digest in self.blobs


class Documents:
    """Counts the manifests and configurations that a copy holds in memory."""

    def __init__(self) -> None:
        self._number = self._size = self._descriptors = 0

    def add_manifest(self, manifest: Manifest) -> None:
        """Count a manifest; raises `TooLarge`."""
        self._descriptors += len(manifest.manifests) + len(manifest.layers)
        self.add(len(manifest.raw))

    def add(self, size: int) -> None:
        """Count a document of ``size`` bytes; raises `TooLarge`."""
        self._number += 1
        self._size += size
        limits = (
            (self._size, _TOTAL_LIMIT, "bytes"), (self._number, _MAX_DOCUMENTS, "documents"),
            (self._descriptors, _MAX_DESCRIPTORS, "layers and entries"),
        )  # fmt: skip
        for number, limit, what in limits:
            if number > limit:
                raise TooLarge(
                    f"the manifests, configurations and signatures of this image are over the limit of {limit} {what} "
                    "in total: copy some of its platforms, with --multi-arch",
                    limit=limit,
                )


async def read_children(source: ImageSource, index: Manifest, *, tolerant: bool = False) -> Children:
    """Return everything below an index; manifests are read concurrently.

    Entries that are not there are left out if ``tolerant``, as in a layout with one of several platforms. Raises the
    source's errors, `InvalidContent` for indexes nested too deeply, and `TooLarge` for too many manifests.
    """
    children = Children()
    await add_children(source, index.manifests, children, tolerant=tolerant)
    return children


async def read_entry(source: ImageSource, entry: Descriptor) -> Manifest | None:
    """Return the manifest that an entry of an index names, or None if it names a blob.

    The media type decides. For one that is not known, the source is asked for a manifest first. Raises the source's
    errors.
    """
    if entry.is_manifest or not entry.media_type or entry.media_type in mediatype.SCHEMA1_IMAGES:
        return await source.manifest(entry)
    if entry.is_blob or entry.size > MANIFEST_LIMIT:
        return None
    try:
        return await source.manifest(entry)
    except (NotFound, InvalidContent, Unsupported, RegistryError) as error:
        if isinstance(error, ContentMismatch) or (isinstance(error, RegistryError) and error.status != 404):
            raise
        return None


async def add_children(
    source: ImageSource, first: Sequence[Descriptor], children: Children, *, tolerant: bool = False
) -> None:
    """Read the entries ``first`` of an index, and all below them, into ``children``; see `read_children`."""
    documents = Documents()
    unavailable: list[Offline] = []

    async def read(entry: Descriptor) -> None:
        try:
            manifest = await read_entry(source, entry)
        except Offline as error:  # all that is missing is listed
            unavailable.append(error)
            return
        except (NotFound, RegistryError) as error:
            if not tolerant or (isinstance(error, RegistryError) and error.status != 404):
                raise
            return
        if manifest is None:
            children.blobs[entry.digest] = entry
        else:
            documents.add_manifest(manifest)
            children.manifests[entry.digest] = manifest

    level, depth = list(first), 1
    while level:
        check_depth(depth)
        fresh = {entry.digest: entry for entry in level if entry.digest not in children}
        await each(fresh.values(), read, at_once=MANIFESTS_AT_ONCE)
        if unavailable:
            raise Offline.of(unavailable)
        # Manifests read before are skipped, so the loop ends even if indexes refer to each other.
        known = children.manifests
        level = [entry for digest in fresh if digest in known for entry in known[digest].manifests]
        depth += 1


