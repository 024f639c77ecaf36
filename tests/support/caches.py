"""BuildKit's cache as it is in registries: an index that lists layers and a document of its own, and no manifest."""

from __future__ import annotations

import json

from .images import BuiltImage, BuiltManifest, build, digest_of

INDEX = "application/vnd.oci.image.index.v1+json"
CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"


def index_of_entries(entries: list[dict[str, object]], blobs: dict[str, bytes], *children: BuiltImage) -> BuiltImage:
    """An index with these entries; ``children`` are the images that some of them name."""
    raw = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    root = BuiltManifest(digest_of(raw), INDEX, raw)
    manifests = {digest: manifest for child in children for digest, manifest in child.manifests.items()}
    every = {digest: data for child in children for digest, data in child.blobs.items()} | blobs
    return BuiltImage(root, manifests | {root.digest: root}, every, {})


def entry_of(content: bytes, media_type: str, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)} | more


def build_cache(config_type: str = CACHE_CONFIG) -> BuiltImage:
    """The layers of an image, and BuildKit's document about them."""
    image = build("oci")
    layers = [image.blobs[digest] for digest in image.layer_digests()]
    config = b'{"layers":[],"records":[]}'
    gzip = "application/vnd.oci.image.layer.v1.tar+gzip"
    entries = [*(entry_of(layer, gzip) for layer in layers), entry_of(config, config_type)]
    return index_of_entries(entries, {digest_of(blob): blob for blob in (*layers, config)})
