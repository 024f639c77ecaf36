"""Manifests of one type as those of another, to the bytes that skopeo writes, and with other parts. Pure.

Schema 1 is in `schema1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import Unsupported
from ..gocompat.go_json import dumps
from . import image_config, mediatype
from .descriptor import Descriptor, platform_json
from .digest import Digest
from .manifest import Manifest
from .platform import Platform

# What an entry says of a layer's very bytes, and which no longer holds for others.
_OF_THE_BYTES = frozenset({"data", "urls"})
ANNOTATIONS_OF_THE_BYTES = (  # tables of contents within the layer
    "io.github.containers.zstd-chunked.",
    "io.containers.zstd-chunked.",
    "io.containers.estargz.",
    "containerd.io/snapshot/stargz/",
)


def image_to_oci(manifest: Manifest, config: bytes) -> tuple[Manifest, Descriptor, bytes]:
    """A Docker image manifest with its configuration, as OCI.

    Answers with the manifest and with the configuration's new descriptor and bytes; layers keep
    their bytes. Raises `Unsupported` for a layer type that OCI has no name for.
    """
    content = image_config.to_oci(config)
    described = Descriptor(mediatype.OCI_CONFIG, Digest.of(content), len(content))
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": described.to_json(),
        "layers": [_layer_to_oci(layer).to_json() for layer in manifest.layers],
    }
    return Manifest.parse(dumps(document).encode()), described, content


def image_to_docker(manifest: Manifest) -> Manifest:
    """An OCI image manifest as Docker's: other media types, the same configuration and layers, no annotations.

    Raises `Unsupported` for an artifact, and for layers that Docker has no name for: encrypted
    ones and those compressed with zstd.
    """
    config = manifest.config
    if config is None or config.media_type != mediatype.OCI_CONFIG:
        kind = ascii(config.media_type)[:100] if config else manifest.media_type
        raise Unsupported(f"only an image can be converted to a docker manifest, this is an artifact of type {kind}")
    layers = [replace(layer, media_type=_docker_layer_type(layer.media_type)) for layer in manifest.layers]
    return docker_image(replace(config, media_type=mediatype.DOCKER_CONFIG), layers)


def docker_image(config: Descriptor, layers: Iterable[Descriptor]) -> Manifest:
    """A Docker image manifest of these parts, written as Go's types write it."""
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.DOCKER_MANIFEST,
        "config": _docker_json(config),
        "layers": list(map(_docker_json, layers)),
    }
    return Manifest.parse(dumps(document).encode())


def index_to_oci(index: Manifest, children: Mapping[Digest, Descriptor]) -> Manifest:
    """A Docker manifest list as an OCI index, its entries replaced where ``children`` names them.

    The others stay what they are, of Docker's types: their bytes do not change, perhaps they are not even copied.
    """
    entries = []
    for entry in index.manifests:
        new = children.get(entry.digest)
        named = new or entry
        # Docker's Go type always has a platform, though one without names.
        platform = entry.platform or Platform("", "")
        entries.append(
            Descriptor(named.media_type, named.digest, named.size, platform=platform, urls=entry.urls).to_json()
        )
    document = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": entries}
    return Manifest.parse(dumps(document).encode())


def index_to_docker(
    index: Manifest, children: Mapping[Digest, Descriptor], unnamed: Platform | None = None
) -> Manifest:
    """An OCI index as a Docker manifest list, its entries replaced where ``children`` names them.

    Each entry of a list has a platform; ``unnamed`` is for those that had none: Linux on this
    machine's architecture, unless told. Annotations are lost.
    """
    if unnamed is None:
        unnamed = replace(Platform.host(), variant="")
    entries = []
    for entry in index.manifests:
        new = children.get(entry.digest) or entry
        named = Descriptor(new.media_type, new.digest, new.size, urls=entry.urls)
        entries.append(_docker_json(named) | {"platform": platform_json(entry.platform or unnamed)})
    document = {"schemaVersion": 2, "mediaType": mediatype.DOCKER_LIST, "manifests": entries}
    return Manifest.parse(dumps(document).encode())


def replace_layers(manifest: Manifest, changed: Mapping[Digest, Descriptor]) -> Manifest:
    """A manifest of the same type, whose layers are other bytes where ``changed`` names them.

    All else stays as it was, unknown fields and annotations too, but for what would be said of the
    old bytes: embedded content, URLs, tables of contents. A signed schema 1 manifest loses its signatures.
    """
    document = dict(manifest.document)
    if manifest.is_schema1:
        document["fsLayers"] = [
            entry | {"blobSum": str(new.digest)} if (new := changed.get(Digest.parse(entry["blobSum"]))) else entry
            for entry in document["fsLayers"]
        ]
        written = Manifest.parse(dumps(document).encode(), content_type=mediatype.SCHEMA1)
    else:
        document["layers"] = [
            _with_other_bytes(entry, changed[described.digest]) if described.digest in changed else entry
            for entry, described in zip(document.get("layers") or (), manifest.layers, strict=True)
        ]
        written = Manifest.parse(dumps(document).encode(), content_type=manifest.media_type)
    # What is known of the layers beyond the document stays known: their real types, sizes in schema 1.
    layers = tuple(
        replace(new, size=changed[old.digest].size) if old.digest in changed else old
        for old, new in zip(manifest.layers, written.layers, strict=True)
    )
    return replace(written, layers=layers)


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


def _docker_layer_type(media_type: str) -> str:
    if mediatype.is_encrypted(media_type):
        kind = ascii(media_type)[:100]
        raise Unsupported(f"during manifest conversion: encrypted layers ({kind}) are not supported in docker images")
    if mediatype.compression(media_type) == "zstd":
        raise Unsupported(
            f"during manifest conversion: {ascii(media_type)}: zstd compression is not supported for docker images: "
            "use the OCI format, or gzip"
        )
    found = mediatype.to_docker(media_type)
    if found is None or mediatype.compression(media_type) is None:
        raise Unsupported(f"unknown media type during manifest conversion: {ascii(media_type)[:100]}")
    return found


def _docker_json(descriptor: Descriptor) -> dict[str, Any]:
    """A descriptor, its fields in the order of Docker's Go type."""
    value: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "size": descriptor.size,
        "digest": str(descriptor.digest),
    }
    return value | {"urls": list(descriptor.urls)} if descriptor.urls else value


def _with_other_bytes(entry: Mapping[str, Any], new: Descriptor) -> dict[str, Any]:
    changed = {name: value for name, value in entry.items() if name not in _OF_THE_BYTES}
    if annotations := changed.get("annotations"):
        kept = {name: text for name, text in annotations.items() if not name.startswith(ANNOTATIONS_OF_THE_BYTES)}
        changed["annotations"] = kept
        if not kept:
            del changed["annotations"]
    return changed | {"mediaType": new.media_type, "digest": str(new.digest), "size": new.size}
