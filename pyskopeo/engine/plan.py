"""What a copy is to do, as values: decided from manifests alone, so that every refusal comes before a byte moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ..fast_dataclass import dataclass
from ..interfaces import Accepts
from ..model import mediatype
from ..model.change import Change, Outcome
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Form:
    """What form the copy is to have, where it need not be the original's.

    ``format`` is ``oci``, ``v2s2`` or ``v2s1``; "" keeps it where the destination takes it.
    ``compression`` is what layers are to be compressed with, ``gzip`` or ``zstd``, at ``level``;
    "" compresses only what is plain, and only where the destination wants that. ``compress`` wants
    it of any destination, ``decompress`` wants plain layers; ``keep_plain`` leaves plain ones alone.
    """

    format: str = ""
    compression: str = ""
    level: int | None = None
    compress: bool = False
    decompress: bool = False
    keep_plain: bool = False
    preserve_digests: bool = False


AS_IT_IS = Form()


@dataclass(frozen=True, slots=True)
class Graph:
    """What was read of the source: the root to be copied, and the children that are copied with it, by digest.

    ``configs`` are the configurations of images that may have to be converted, ``actual`` the media
    types of blobs whose manifest errs about them. ``made``: the source made the manifest up. ``chosen_from`` is the
    index that the root was chosen from, if the source's name refers to one.
    """

    root: Manifest
    children: Mapping[Digest, Manifest] = field(default_factory=dict)
    configs: Mapping[Digest, bytes] = field(default_factory=dict)
    actual: Mapping[Digest, str] = field(default_factory=dict)
    kept: frozenset[Digest] | None = None
    made: bool = False
    chosen_from: Digest | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan was made of; ``outcomes`` are the layers that have been made anew already."""

    graph: Graph
    accepts: Accepts
    form: Form = AS_IT_IS
    outcomes: Mapping[Digest, Outcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a copy moves: blobs from the source, ``contents`` made anew, manifests, then the root.

    ``changes`` are layers that become others on their way; until they have (`settle`), the
    manifests are not the ones that will be written.
    """

    source: Digest
    root: Manifest
    manifests: tuple[Manifest, ...]
    blobs: tuple[Descriptor, ...]
    contents: tuple[tuple[Descriptor, bytes], ...] = ()
    images: int = 1
    changes: tuple[tuple[Descriptor, Change], ...] = ()
    basis: Basis | None = field(default=None, compare=False, repr=False)

    @property
    def all_blobs(self) -> tuple[Descriptor, ...]:
        """The source's blobs, as they are there, and those made anew."""
        changed = (descriptor for descriptor, change in self.changes if change.format is not None)
        return (*self.blobs, *changed, *(descriptor for descriptor, _ in self.contents))

    @property
    def total(self) -> int:
        """Bytes of all blobs."""
        return sum(blob.size for blob in self.all_blobs)

    @property
    def converted(self) -> bool:
        return self.root.digest != self.source


def stays_away(blob: Descriptor) -> bool:
    """Whether a layer is left where its URLs say, by destinations that keep such."""
    return mediatype.is_foreign(blob.media_type) and bool(blob.urls)
