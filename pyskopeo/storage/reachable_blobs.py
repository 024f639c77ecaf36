"""Which blobs and manifests of a layout can be reached from its entries, for what deletes the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent, NotFound, TooLarge, Unsupported
from ..model.manifest import Manifest
from ..model.reachability import Node, Reachability
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.cancellation import check_cancelled
from .files import digest_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.descriptor import Descriptor
    from .oci_layout import LayoutFiles


def read_reachable(files: LayoutFiles, roots: Iterable[tuple[str, Descriptor]]) -> tuple[Reachability, list[Node]]:
    """Return what can be reached from entries, given with their names, and the manifests among it that are missing.

    What a manifest refers to as its subject counts as needed. Raises `InvalidContent`, `Unsupported` and
    `StorageFailed` if a manifest cannot be read: then it is not known what it needs.
    """
    graph = Reachability(subjects=True)
    for name, descriptor in roots:
        graph.add_root(descriptor, name)
    missing: list[Node] = []
    while batch := graph.take_unread():
        for node in batch:
            check_cancelled()
            try:
                graph.add_manifest(node, read_manifest(files, node))
            except NotFound:
                missing.append(node)
    return graph, missing


def read_manifest(files: LayoutFiles, node: Node) -> Manifest | None:
    """Read a manifest of a layout; None for an entry of unknown media type that is none.

    Raises `NotFound`, `InvalidContent`, `Unsupported` and `StorageFailed`.
    """
    descriptor = node.descriptor
    raw = files.content(f"blobs/{digest_name(descriptor.digest)}", MANIFEST_LIMIT)
    try:
        return Manifest.parse(raw, content_type=descriptor.media_type, expected=descriptor.digest)
    except (InvalidContent, Unsupported) as error:
        # A blob that is damaged might have been a manifest.
        if not node.is_uncertain or isinstance(error, ContentMismatch | TooLarge):
            raise
        return None
