"""List the entries of a layout with the platforms and the sizes of their images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotFound, PathNotFound, PyskopeoError
from ..model.configured_platform import configured_platform
from ..model.layout import INDEX_FILE, INDEX_LIMIT, LayoutIndex, reference_name
from ..model.reachability import Reachability
from ..model.strict_json import CONFIG_LIMIT
from ..model.verification import LayoutEntry
from ..streams.cancellation import check_cancelled
from .files import digest_name
from .reachable_blobs import read_manifest

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest
    from ..model.platform import Platform
    from .layout_content import LayoutFiles


def list_entries(files: LayoutFiles, where: str) -> list[LayoutEntry]:
    """Return the entries of ``index.json``, in order; for a worker thread. ``where`` names the layout in errors.

    A manifest that cannot be read is `LayoutEntry.problem`. Raises `PathNotFound` if there is no layout,
    `StorageFailed`, `InvalidContent` and `TooLarge`.
    """
    try:
        raw = files.content(INDEX_FILE, INDEX_LIMIT)
    except NotFound as error:
        raise PathNotFound(str(error)) from None
    index = LayoutIndex.parse(raw, f"{where}: {INDEX_FILE}")
    return [_entry(files, position, descriptor) for position, descriptor in enumerate(index.descriptors)]


def _entry(files: LayoutFiles, position: int, descriptor: Descriptor) -> LayoutEntry:
    graph = Reachability()
    graph.add_root(descriptor, "")
    platforms: dict[str, None] = {}
    artifact_type, problem = descriptor.artifact_type, ""
    while batch := graph.take_unread():
        for node in batch:
            check_cancelled()
            try:
                manifest = read_manifest(files, node)
                graph.add_manifest(node, manifest)
                platform = node.descriptor.platform or _configured_platform(files, manifest)
            except PyskopeoError as error:
                problem = problem or str(error)
                platform = node.descriptor.platform
            else:
                if node.depth == 0 and manifest is not None and not (manifest.is_index or manifest.is_image):
                    artifact_type = artifact_type or manifest.artifact_type
            if platform is not None and not platform.is_attestation:
                platforms[str(platform)] = None
    return LayoutEntry(
        reference_name(descriptor),
        position,
        descriptor.digest,
        descriptor.media_type,
        artifact_type,
        tuple(platforms),
        None if problem else sum(max(node.descriptor.size, 0) for node in graph.nodes.values()),
        problem,
    )


def _configured_platform(files: LayoutFiles, manifest: Manifest | None) -> Platform | None:
    """Return the platform in the configuration of an image whose entry states none."""
    if manifest is None or manifest.config is None or not manifest.is_image:
        return None
    return configured_platform(files.content(f"blobs/{digest_name(manifest.config.digest)}", CONFIG_LIMIT))
