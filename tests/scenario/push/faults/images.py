"""The images that are pushed: a body that is sent in pieces, a small one, and one larger than all buffers."""

from __future__ import annotations

import pytest

from tests.support.images import ImageSpec, LayerSpec, build

IMAGE = build(
    ImageSpec(
        layers=(
            LayerSpec("large", size=1_400_000, compression="none"),
            LayerSpec("small", size=700, compression="gzip"),
        )
    )
)
LARGE, SMALL = IMAGE.layer_digests()
LENGTH = {digest: len(data) for digest, data in IMAGE.blobs.items()}
TOTAL = sum(LENGTH.values())
HUGE = build(ImageSpec(layers=(LayerSpec("huge", size=6_000_000, compression="none"),)))
ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])
# However an upload is sent: the requests that carry its bytes.
BODIES = ("PUT", "PATCH")
