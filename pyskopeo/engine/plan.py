"""The values that describe a copy: its format options, the manifests that were read, and the resulting plan.

A plan is made from manifests alone, so that whatever makes a copy impossible is found before any blob is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..interfaces import Accepts
from ..model import mediatype
from ..model.change import Change, Outcome
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..streams.plain_content import default_inflated_limit

if TYPE_CHECKING:
    from ..encryption.keys import Decryption, Encryption
    from ..model.signature import Signature


@dataclass(frozen=True, slots=True)
class Form:
    """Manifest format and layer compression of a copy.

    ``format`` is ``oci``, ``v2s2`` or ``v2s1`` (Docker's schema 2 and schema 1); "" keeps the source's format where
    the destination accepts it. ``compression`` is the algorithm to compress layers with, ``gzip`` or ``zstd``, at
    ``level`` (the compressor's own scale; None: its default); "" compresses only uncompressed layers, with gzip, and
    only where the destination asks for it. ``compress`` does so at any destination; ``decompress`` stores layers
    uncompressed. ``keep_plain`` leaves uncompressed layers as they are. ``preserve_digests`` forbids any change.
    ``remove_signatures`` copies a signed image without its signatures, ``remove_list_signatures`` without those of an
    index only.

    ``max_inflated`` is the maximum size in bytes of all layers that are decompressed during the copy, in total; None:
    16 GiB, or 200 times their size at the source if that is more.

    ``encryption`` is what layers are encrypted with, which requires OCI; ``decryption`` what encrypted ones are
    decrypted with.
    """

    format: str = ""
    compression: str = ""
    level: int | None = None
    compress: bool = False
    decompress: bool = False
    keep_plain: bool = False
    preserve_digests: bool = False
    remove_signatures: bool = False
    remove_list_signatures: bool = False
    max_inflated: int | None = None
    encryption: Encryption | None = None
    decryption: Decryption | None = None


DEFAULT_FORM = Form()


@dataclass(frozen=True, slots=True)
class Graph:
    """The manifests to copy as the source has them: the root, and its children by digest.

    ``configs`` are the configurations of images that may have to be converted, by digest. ``actual_types`` are media
    types of layers for their actual compression, which their manifest may state wrongly, by digest. ``kept`` are
    the entries that stay in the root index when the others are stripped; None keeps all. ``synthesized`` is whether the
    source generated the manifest (see `ImageSource`). ``chosen_from`` is the digest of the index that the root was
    chosen from, if the source's name refers to one. ``entry_blobs`` are blobs that are entries of an index themselves,
    as in a build cache, by digest. ``signatures`` are those that are copied, by the digest of their manifest: it must
    not change then.
    """

    root: Manifest
    children: Mapping[Digest, Manifest] = field(default_factory=dict)
    configs: Mapping[Digest, bytes] = field(default_factory=dict)
    actual_types: Mapping[Digest, str] = field(default_factory=dict)
    kept: frozenset[Digest] | None = None
    synthesized: bool = False
    chosen_from: Digest | None = None
    entry_blobs: Mapping[Digest, Descriptor] = field(default_factory=dict)
    signatures: Mapping[Digest, tuple[Signature, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What a plan is made from.

    ``outcomes`` are the layers changed so far, by their digests at the source. ``diff_ids`` are those that the
    configurations of the graph state for a layer, by its digest at the source.
    """

    graph: Graph
    accepts: Accepts
    form: Form = DEFAULT_FORM
    outcomes: Mapping[Digest, Outcome] = field(default_factory=dict)
    diff_ids: Mapping[Digest, tuple[Digest, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a copy writes: blobs of the source, generated blobs, manifests, and last the root.

    ``source`` is the digest of the root at the source, ``root`` the manifest to write in its place. ``manifests`` are
    its children, each before the index that names it. ``blobs`` are copied unchanged; ``contents`` are generated, with
    their content in memory. ``images`` is the number of manifests that are no indexes.

    ``changes`` are layers to recompress, encrypt or decrypt, or to read for their diff IDs, while they are copied. The
    manifests that contain them are known only afterwards: until then (`plan_with_outcomes`) the plan has the source's
    in their place.
    """

    source: Digest
    root: Manifest
    manifests: tuple[Manifest, ...]
    blobs: tuple[Descriptor, ...]
    contents: tuple[tuple[Descriptor, bytes], ...] = ()
    images: int = 1
    changes: tuple[tuple[Descriptor, Change], ...] = ()
    inputs: PlanInputs | None = field(default=None, compare=False, repr=False)

    @property
    def all_blobs(self) -> tuple[Descriptor, ...]:
        """The blobs that will be written: copied ones, layers to change as the source has them, generated ones."""
        changed = (descriptor for descriptor, change in self.changes if change.rewrites)
        return (*self.blobs, *changed, *(descriptor for descriptor, _ in self.contents))

    @property
    def total(self) -> int:
        """Size of all blobs in bytes; of layers to change, the size at the source."""
        return sum(blob.size for blob in self.all_blobs)

    @property
    def inflates(self) -> bool:
        """Whether layers are decompressed during the copy: to recompress them, or by the destination."""
        return bool(self.changes) or (self.inputs is not None and self.inputs.accepts.ordered)

    @property
    def max_inflated(self) -> int:
        """The maximum size in bytes of the layers that are decompressed during the copy, in total."""
        chosen = self.inputs.form.max_inflated if self.inputs else None
        return default_inflated_limit(self.total) if chosen is None else chosen

    @property
    def converted(self) -> bool:
        """Whether the root manifest differs from the source's."""
        return self.root.digest != self.source


_INVALIDATED = "Would invalidate signatures"


def why_unchangeable(manifest: Manifest, graph: Graph, accepts: Accepts, form: Form) -> str:
    """Return the reason why a manifest of a graph must stay as it is, "" if it may change."""
    if form.preserve_digests:
        return "Instructed to preserve digests"
    if accepts.unchangeable:
        return accepts.unchangeable
    return _INVALIDATED if graph.signatures.get(manifest.digest) else ""


def unchangeable_text(manifest: Manifest, reason: str) -> str:
    """Return the end of the message that a manifest must change and may not, and what to do about it."""
    said = f'but we cannot modify it: "{reason}"'
    if reason != _INVALIDATED:
        return said
    flag = "--remove-list-signatures" if manifest.is_index else "--remove-signatures"
    return f"{said}; {flag} copies it without them"


def has_foreign_urls(blob: Descriptor) -> bool:
    """Return whether a blob is a non-distributable ("foreign") layer with URLs to download it from.

    Destinations with `Accepts.foreign` store no such layer (OCI image specification, "Non-Distributable Layers").
    """
    return mediatype.is_foreign(blob.media_type) and bool(blob.urls)
