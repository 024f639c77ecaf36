"""The image that is pulled: its small layer is read with the head of its answer, its large one is streamed."""

from __future__ import annotations

from tests.support.images import ImageSpec, LayerSpec, build

IMAGE = build(
    ImageSpec(
        layers=(
            LayerSpec("large", size=300_000, compression="none"),
            LayerSpec("small", size=700, compression="gzip"),
        )
    )
)
LARGE, SMALL = IMAGE.layer_digests()
SIZES = {"large": LARGE, "small": SMALL}
LENGTH = {digest: len(IMAGE.blobs[digest]) for digest in (LARGE, SMALL)}
assert LENGTH[LARGE] > 256 * 1024
assert LENGTH[SMALL] < 16 * 1024
