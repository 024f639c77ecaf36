"""Layers of built images."""

from __future__ import annotations

import gzip
import json

from .images import BuiltImage, BuiltManifest, digest_of
from .zstd import zstd


def layer_of(image: BuiltImage, manifest: str | None = None) -> str:
    return image.layer_digests(manifest)[0]


def expanded(data: bytes) -> bytes:
    """Read by the libraries, not by us."""
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] != b"\x28\xb5\x2f\xfd":
        return data
    return bytes(zstd.decompress(data))


def custom(layer: bytes, media_type: str, tar: bytes = b"") -> BuiltImage:
    """An image with one layer of these very bytes, which need not be any good; ``tar`` is what the config says of it."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]}}).encode()  # fmt: skip
    described, entry = (
        {"mediaType": kind, "digest": digest_of(data), "size": len(data)}
        for kind, data in (("application/vnd.oci.image.config.v1+json", config), (media_type, layer))
    )
    oci = "application/vnd.oci.image.manifest.v1+json"
    raw = json.dumps({"schemaVersion": 2, "mediaType": oci, "config": described, "layers": [entry]}).encode()
    root = BuiltManifest(digest_of(raw), oci, raw)
    return BuiltImage(root, {root.digest: root}, {digest_of(config): config, digest_of(layer): layer}, {})
