"""The images of the matrix: one that is copied, one that was at the destination before, one that comes with a sync."""

from __future__ import annotations

from tests.support.images import ImageSpec, LayerSpec, build

_BASE = LayerSpec("base", base=True)
_MEDIUM = LayerSpec("medium", size=150_000)

OLD = build(ImageSpec(layers=(_BASE, LayerSpec("old", size=40_000))))
NEW = build(ImageSpec(layers=(_BASE, LayerSpec("small", size=2_000), _MEDIUM, LayerSpec("large", size=700_000))))
# Shares two layers with NEW.
NEXT = build(ImageSpec(layers=(_BASE, _MEDIUM, LayerSpec("next", size=90_000))))

# What `NEW` has and `OLD` has not: layers that a copy has to fetch wherever the old image is.
WANTED = tuple(digest for digest in NEW.layer_digests() if digest not in OLD.blobs)
SIZES = {digest: len(data) for image in (OLD, NEW, NEXT) for digest, data in image.blobs.items()}
# The largest of them.
LARGE = max(WANTED, key=SIZES.__getitem__)
CONFIGS = frozenset(image.config_digest() for image in (OLD, NEW, NEXT))
