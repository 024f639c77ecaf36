"""Which manifests and blobs can be reached from the entries of a layout, or from one image; no I/O.

The caller reads the manifests::

    while batch := graph.take_unread():
        for node in batch:
            graph.add_manifest(node, read(node.descriptor))
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import InvalidContent, TooLarge
from ..fast_dataclass import dataclass
from . import mediatype
from .descriptor import UNKNOWN_SIZE, Descriptor
from .digest import Digest
from .strict_json import MANIFEST_LIMIT

if TYPE_CHECKING:
    from .manifest import Manifest

# The number of manifests and blobs: what is kept of each takes up to 1 KiB of memory.
_LIMIT = 500_000
_SHOWN_NAMES, _KEPT_PARENTS = 10, 40
_DIGEST = rb"(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})(?![0-9a-f])"  # compiled at the first use


@dataclass(slots=True)
class Node:
    """Content that can be reached, by the first ``descriptor`` that names it.

    ``kind`` is ``manifest``, ``config``, ``layer`` or, for an entry of an index that is none of these, ``blob``.
    ``is_uncertain`` marks an entry of unknown media type: a manifest if it can be parsed as one. ``depth`` is the
    number of indexes above it. ``is_platform`` is whether it was reached as an entry of an index only, ``is_subject``
    whether only as the subject of another manifest (OCI image specification, "Image Manifest"), or by a document of
    unknown media type; then it need not exist.
    ``other_sizes`` are stated for it besides that of the descriptor; ``names`` and ``parents`` are names and manifests
    that lead to it, some of them if there are very many.
    """

    descriptor: Descriptor
    kind: str
    depth: int
    is_uncertain: bool = False
    is_platform: bool = True
    is_subject: bool = True
    other_sizes: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    parents: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageBlobs:
    """The digests of an image's configuration and layers, base layer first."""

    config: Digest
    layers: tuple[Digest, ...]


class Reachability:
    """What can be reached from the roots that were added, as far as the manifests were added.

    ``nodes`` are all, by digest, in the order in which they were found; ``images`` are the manifests of images among
    them, ``indexes`` the number of indexes. With ``subjects`` those of manifests are followed.
    """

    def __init__(self, *, subjects: bool = False) -> None:
        self.nodes: dict[Digest, Node] = {}
        self.images: dict[Digest, ImageBlobs] = {}
        self.indexes = 0
        self._subjects = subjects
        self._unread: dict[Digest, Node] = {}
        self._taken: set[Digest] = set()

    def add_root(self, descriptor: Descriptor, name: str) -> None:
        """Add an entry of a layout, or an image, by its name in reports; raises `TooLarge`."""
        node = self._add(descriptor, _entry_kind(descriptor), None, 0)
        node.is_platform = node.is_subject = False
        if len(node.names) < _SHOWN_NAMES and name not in node.names:
            node.names = (*node.names, name)

    def take_unread(self) -> list[Node]:
        """Return the manifests to read next, each once."""
        found, self._unread = list(self._unread.values()), {}
        self._taken.update(node.descriptor.digest for node in found)
        return found

    def add_manifest(self, node: Node, manifest: Manifest | None) -> None:
        """Add what a manifest names; None if the content of `Node.is_uncertain` is no manifest. Raises `TooLarge`."""
        if manifest is None:
            node.kind = "blob"
            return
        node.kind = "manifest"
        above = node.descriptor.digest
        self.indexes += manifest.is_index
        for entry in manifest.manifests:
            self._add(entry, _entry_kind(entry), above, node.depth + 1).is_subject = False
        for layer in manifest.layers:
            self._add_blob(layer, "layer", above, node.depth)
        if manifest.config is not None:
            self._add_blob(manifest.config, "config", above, node.depth)
            if manifest.is_image:
                self.images[above] = ImageBlobs(manifest.config.digest, tuple(one.digest for one in manifest.layers))
        if self._subjects and (subject := _subject(manifest)) is not None:
            self._add(subject, _entry_kind(subject), above, node.depth)

    def add_document(self, node: Node, raw: bytes) -> None:
        """Add everything whose digest is in a JSON document of unknown media type; nothing for other content.

        It may be a manifest of a kind that is not known here: what it needs is not known either. Raises `TooLarge`.
        """
        if raw.lstrip().startswith(b"{"):
            for digest in sorted(set(re.findall(_DIGEST, raw))):
                self._add(Descriptor("", Digest.parse(digest.decode()), UNKNOWN_SIZE), "", node.descriptor.digest, 1)

    def names(self, node: Node) -> tuple[str, ...]:
        """Return the names of the roots that need this content, at most ten."""
        found: dict[str, None] = {}
        seen = {node.descriptor.digest}
        waiting = [node]
        while waiting and len(found) < _SHOWN_NAMES:
            current = waiting.pop()
            found.update(dict.fromkeys(current.names))
            waiting += [self.nodes[parent] for parent in current.parents if parent not in seen]
            seen.update(current.parents)
        return tuple(found)[:_SHOWN_NAMES]

    def _add_blob(self, descriptor: Descriptor, kind: str, above: Digest, depth: int) -> None:
        node = self._add(descriptor, kind, above, depth)
        node.is_platform = node.is_subject = False

    def _add(self, descriptor: Descriptor, kind: str, above: Digest | None, depth: int) -> Node:
        digest = descriptor.digest
        node = self.nodes.get(digest)
        if node is None:
            if len(self.nodes) >= _LIMIT:
                raise TooLarge(f"more than {_LIMIT} manifests and blobs can be reached: refused", limit=_LIMIT)
            node = self.nodes[digest] = Node(descriptor, kind, depth)
        node.depth = min(node.depth, depth)
        size = descriptor.size
        if size not in (node.descriptor.size, UNKNOWN_SIZE, *node.other_sizes) and len(node.other_sizes) < _SHOWN_NAMES:
            node.other_sizes = (*node.other_sizes, size)
        if above is not None and len(node.parents) < _KEPT_PARENTS and above not in node.parents:
            node.parents = (*node.parents, above)
        if kind in ("manifest", "") and digest not in self._taken:
            node.is_uncertain = kind == "" and node.kind != "manifest"
            node.kind = kind or node.kind or "blob"
            self._unread[digest] = node
        return node


def _entry_kind(entry: Descriptor) -> str:
    """Return the kind of an entry of an index by its media type, "" for an unknown one that may be a manifest."""
    media_type = entry.media_type
    if entry.is_manifest or not media_type or media_type in mediatype.SCHEMA1_IMAGES:
        return "manifest"
    return "blob" if entry.is_blob or entry.size > MANIFEST_LIMIT else ""


def _subject(manifest: Manifest) -> Descriptor | None:
    if b'"subject"' not in manifest.raw:
        return None
    value = manifest.document.get("subject")
    try:
        return None if value is None else Descriptor.from_json(value, "subject")
    except InvalidContent:
        return None  # it names nothing that could be reached
