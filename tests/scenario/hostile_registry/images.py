"""The image of the hostile registry, and pulls of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

import pytest

from pyskopeo.access import Access
from pyskopeo.credentials.authfile import Credentials
from tests.support.access import access_for
from tests.support.images import BuiltImage, BuiltManifest, ImageSpec, LayerSpec, build, digest_of
from tests.support.pulling import Pull
from tests.support.simulator import Simulator

IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=100_000, compression="none"), LayerSpec("small"))))
LARGE, SMALL = IMAGE.layer_digests()
OCI = "application/vnd.oci.image"
# For long tables about what is decided and not about how one waits.
ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])
PASSWORD = Credentials("user", "pass")


def served(document: object, media_type: str = f"{OCI}.manifest.v1+json") -> BuiltImage:
    """An image whose root is this document and whose blobs are those of `IMAGE`."""
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    root = BuiltManifest(digest_of(raw), media_type, raw)
    return BuiltImage(root, MappingProxyType({root.digest: root}), IMAGE.blobs, MappingProxyType({}))


async def pull(registry: Simulator, root: Path, access: Access | None = None, image: BuiltImage = IMAGE) -> Pull:
    done = Pull(registry, image, root / "layout", access or access_for(root))
    await done.run()
    return done
