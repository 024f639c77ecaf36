"""Docker manifests as OCI ones, to the bytes that skopeo writes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..errors import Unsupported
from . import imageconfig, mediatype
from .descriptor import Descriptor
from .digest import Digest
from .gojson import dumps
from .manifest import Manifest


def image_to_oci(manifest: Manifest, config: bytes) -> tuple[Manifest, Descriptor, bytes]:
    """A Docker image manifest with its configuration, as OCI.

    Answers with the manifest and with the configuration's new descriptor and bytes; layers keep
    their bytes. Raises `Unsupported` for a layer type that OCI has no name for.
    """
    content = imageconfig.to_oci(config)
    described = Descriptor(mediatype.OCI_CONFIG, Digest.of(content), len(content))
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": described.to_json(),
        "layers": [_layer_to_oci(layer).to_json() for layer in manifest.layers],
    }
    return Manifest.parse(dumps(document).encode()), described, content


def index_to_oci(index: Manifest, children: Mapping[Digest, Descriptor]) -> Manifest:
    """A Docker manifest list as an OCI index, its entries replaced where ``children`` names them.

    The others stay what they are, of Docker's types: their bytes do not change, perhaps they are not even copied.
    """
    entries = []
    for entry in index.manifests:
        new = children.get(entry.digest)
        named = new or entry
        entries.append(
            Descriptor(named.media_type, named.digest, named.size, platform=entry.platform, urls=entry.urls).to_json()
        )
    document = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": entries}
    return Manifest.parse(dumps(document).encode())


def replace_children(
    index: Manifest, children: Mapping[Digest, Descriptor], kept: frozenset[Digest] | None
) -> Manifest:
    """An index with other children, or with fewer (``kept``), all else as it was, unknown fields too."""
    document = dict(index.document)
    entries = []
    for written, described in zip(index.document["manifests"], index.manifests, strict=True):
        if kept is not None and described.digest not in kept:
            continue
        entry = dict(written)
        if new := children.get(described.digest):
            # Embedded content would be that of the old child.
            entry.pop("data", None)
            entry |= {"mediaType": new.media_type, "digest": str(new.digest), "size": new.size}
        entries.append(entry)
    document["manifests"] = entries
    return Manifest.parse(dumps(document).encode(), content_type=index.media_type)


def _layer_to_oci(layer: Descriptor) -> Descriptor:
    media_type = mediatype.to_oci(layer.media_type)
    if media_type is None or mediatype.compression(layer.media_type) is None:
        raise Unsupported(f"unknown media type during manifest conversion: {ascii(layer.media_type)[:100]}")
    return replace(layer, media_type=media_type, annotations={}, platform=None)
