"""Estimate what copying an image takes, bytes and requests, from its manifest; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.referrer import attested_digest

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest

_TYPICAL_BLOBS = 6
_AT_REGISTRY, _AT_SOURCE = 3, 1  # requests for a blob: HEAD, POST and PUT to the destination; GET


@dataclass(frozen=True, slots=True)
class ImageEstimate:
    """What one image consists of.

    ``size`` is that of its blobs in bytes, None if the manifest does not say it, ``blobs`` their number, ``base`` the
    digest of the lowest layer, "" without one. ``images`` is the number of images, 1 unless it is a list; the other
    fields are for all of them, estimated from one. ``manifests`` is the number of manifests.
    """

    size: int | None = None
    blobs: int = _TYPICAL_BLOBS
    base: str = ""
    images: int = 1
    manifests: int = 1

    @classmethod
    def of(cls, manifest: Manifest) -> ImageEstimate:
        """Return the estimate for the manifest of a single image."""
        sizes = [blob.size for blob in manifest.blobs]
        base = str(manifest.layers[0].digest) if manifest.layers else ""
        return cls(None if any(size < 0 for size in sizes) else sum(sizes), len(sizes), base)

    def times(self, images: int, manifests: int) -> ImageEstimate:
        """Return the estimate for a list of so many such images, with so many manifests and its own."""
        size = None if self.size is None else self.size * images
        return ImageEstimate(size, self.blobs * images, self.base, images, manifests + 1)

    def requests(self, source: str, destination: str) -> int:
        """Return the number of requests of a copy between these transports, when nothing of it is there yet."""
        for_blob = _AT_SOURCE * (source == "docker") + _AT_REGISTRY * (destination == "docker")
        # To a registry also the question whether the image is there.
        for_manifest = (source == "docker") + (destination == "docker")
        return self.blobs * for_blob + self.manifests * for_manifest + (destination == "docker")


UNKNOWN = ImageEstimate()


def image_entries(index: Manifest) -> list[Descriptor]:
    """Return the entries of an index that are images: no attestations of others, and no indexes."""
    return [
        entry for entry in index.manifests
        if entry.media_type not in mediatype.INDEXES and not entry.is_blob and not attested_digest(entry.annotations)
    ]  # fmt: skip
