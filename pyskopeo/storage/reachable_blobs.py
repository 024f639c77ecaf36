"""Which blobs and manifests of a layout can be reached from its entries, for what deletes the others."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent, NotFound, StorageFailed, TooLarge, Unsupported
from ..model.descriptor import UNKNOWN_SIZE
from ..model.manifest import Manifest
from ..model.reachability import Node, Reachability
from ..model.strict_json import MANIFEST_LIMIT
from ..streams.cancellation import check_cancelled
from .files import digest_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .layout_content import LayoutFiles
    from .tar import TarIndex


def read_reachable(
    files: LayoutFiles, roots: Iterable[tuple[str, Descriptor]], *, subjects: bool = True
) -> tuple[Reachability, list[Node]]:
    """Return what can be reached from entries, given with their names, and the manifests among it that are missing.

    With ``subjects``, what a manifest refers to as its subject counts as needed. So does everything that a document of
    unknown media type names. Raises `InvalidContent`, `Unsupported` and `StorageFailed` if a manifest cannot be read:
    then it is not known what it needs.
    """
    graph = Reachability(subjects=subjects)
    for name, descriptor in roots:
        graph.add_root(descriptor, name)
    return graph, _read(files, graph)


def named_by_documents(files: LayoutFiles | TarIndex, graph: Reachability) -> AbstractSet[Digest]:
    """Return the digests of what documents of unknown media type in ``graph`` lead to, as far as they can be read."""
    found = Reachability(subjects=True)
    for node in graph.nodes.values():
        if node.is_uncertain and node.kind == "blob":
            found.add_root(node.descriptor, "")
    with suppress(InvalidContent, Unsupported, StorageFailed):
        _read(files, found)
    return found.nodes.keys()


def _read(files: LayoutFiles | TarIndex, graph: Reachability) -> list[Node]:
    """Read all that is to be read of a graph; return the manifests that are missing."""
    missing: list[Node] = []
    while batch := graph.take_unread():
        for node in batch:
            check_cancelled()
            try:
                manifest = read_manifest(files, node)
                graph.add_manifest(node, manifest)
                if manifest is None:
                    graph.add_document(node, _content(files, node))
            except NotFound:
                missing.append(node)
    return missing


def read_manifest(files: LayoutFiles | TarIndex, node: Node) -> Manifest | None:
    """Read a manifest of a layout; None for an entry of unknown media type that is none.

    Raises `NotFound`, `InvalidContent`, `Unsupported` and `StorageFailed`.
    """
    descriptor = node.descriptor
    raw = _content(files, node)
    if not raw and node.is_uncertain:
        return None
    try:
        return Manifest.parse(raw, content_type=descriptor.media_type, expected=descriptor.digest)
    except (InvalidContent, Unsupported) as error:
        # A blob that is damaged might have been a manifest.
        if not node.is_uncertain or isinstance(error, ContentMismatch | TooLarge):
            raise
        return None


def _content(files: LayoutFiles | TarIndex, node: Node) -> bytes:
    """Return the content of a manifest, or of what may be one; b"" for content of unknown size that is larger."""
    try:
        return files.content(f"blobs/{digest_name(node.descriptor.digest)}", MANIFEST_LIMIT)
    except TooLarge:
        if node.is_uncertain and node.descriptor.size == UNKNOWN_SIZE:
            return b""
        raise
