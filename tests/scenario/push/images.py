"""The image that is pushed, and who pushes it."""

from __future__ import annotations

from pyskopeo.credentials.authfile import Credentials
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
TOTAL = sum(map(len, IMAGE.blobs.values()))
PASSWORD = Credentials("user", "pass")

LARGE_IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=4_500_000, compression="none"),)))
