"""Conversion of manifests from and to Docker's image manifest version 2, schema 1.

The resulting manifests and configurations are byte for byte those that skopeo writes, but not signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ..errors import InvalidContent, Unsupported
from ..fast_dataclass import replace
from ..gocompat.go_json import dumps
from . import manifest_conversion, mediatype, raw_json
from .change import Outcome
from .descriptor import Descriptor
from .digest import Digest
from .manifest import Manifest
from .schema1_layers import Layer, non_empty, parse_layers
from .v1_image import BuildHistory, with_all_fields

# A gzipped empty tar: the layer that schema 1 requires for history entries that changed no file.
EMPTY_LAYER = bytes.fromhex("1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000")
EMPTY_LAYER_DESCRIPTOR = Descriptor(mediatype.DOCKER_LAYER_GZIP, Digest.of(EMPTY_LAYER), len(EMPTY_LAYER))

# Members of a v1Compatibility that are not part of a schema 2 configuration.
_ONLY_IN_V1 = ("id", "parent", "parent_id", "layer_id", "throwaway", "Size")


def non_empty_layers(manifest: Manifest) -> tuple[Descriptor, ...]:
    """Return the layers that are not empty, base layer first: those that a converted image has.

    Raises `InvalidContent`.
    """
    return tuple(layer.descriptor for layer in non_empty(parse_layers(manifest.document)))


def to_docker(manifest: Manifest, layers: Sequence[Outcome]) -> tuple[Manifest, Descriptor, bytes]:
    """Convert to a schema 2 manifest; returns it with the descriptor and bytes of its configuration.

    ``layers`` are those of `non_empty_layers` in the same order, perhaps recompressed. Raises
    `InvalidContent`, and `Unsupported` for a layer that is compressed with zstd.
    """
    for layer in layers:
        if mediatype.compression(layer.descriptor.media_type) == "zstd":
            raise Unsupported(
                f"layer {layer.descriptor.digest}: zstd compression is not supported for docker images: "
                "use the OCI format, or gzip"
            )
    return _to_docker(manifest, layers)


def to_oci(manifest: Manifest, layers: Sequence[Outcome]) -> tuple[Manifest, Descriptor, bytes]:
    """Convert to an OCI manifest; as `to_docker`, but layers may be compressed with zstd."""
    converted, _, config = _to_docker(manifest, layers)
    return manifest_conversion.image_to_oci(converted, config)


def from_docker(
    manifest: Manifest, config: bytes, name: str, tag: str
) -> tuple[Manifest, tuple[tuple[Descriptor, bytes], ...]]:
    """Convert a schema 2 image to an unsigned schema 1 manifest; returns it with its additional blobs.

    ``name`` is the repository without its registry. The only additional blob is the empty layer, if a
    history entry changed no file. Raises `InvalidContent` if history and layers do not match, and
    `Unsupported` without a history and for layers that are compressed with zstd.
    """
    history = BuildHistory.parse(config)
    if not history.entries:
        raise Unsupported("cannot convert an image with 0 history entries to schema 1")
    layers = _layers_of_history(manifest, history)
    entries: list[tuple[Digest, str]] = []
    id, parent = "", ""
    for layer, step in zip(layers, history.entries, strict=True):
        id, parent = _v1_id(layer.digest, id), id
        entries.append((layer.digest, step.to_compatibility(id, parent)))
    top = layers[-1].digest
    top_id = _v1_id(top, parent, config.decode())
    entries[-1] = (top, _top_compatibility(config, top_id, parent, history.entries[-1].empty))
    document = {
        "name": name,
        "tag": tag,
        "architecture": history.architecture,
        "fsLayers": [{"blobSum": str(digest)} for digest, _ in reversed(entries)],
        "history": [{"v1Compatibility": text} for _, text in reversed(entries)],
        "schemaVersion": 1,
    }
    converted = Manifest.parse(dumps(document).encode(), content_type=mediatype.SCHEMA1)
    extra = ((EMPTY_LAYER_DESCRIPTOR, EMPTY_LAYER),) if EMPTY_LAYER_DESCRIPTOR in layers else ()
    # The manifest does not have the sizes of its layers, but they are known here.
    return replace(converted, layers=tuple(layers)), extra


def _to_docker(manifest: Manifest, layers: Sequence[Outcome]) -> tuple[Manifest, Descriptor, bytes]:
    known = parse_layers(manifest.document)
    if len(layers) != len(non_empty(known)):
        raise ValueError(f"there are {len(non_empty(known))} layers with files, not {len(layers)}")
    config = _config(known, [layer.diff_id for layer in layers])
    described = Descriptor(mediatype.DOCKER_CONFIG, Digest.of(config), len(config))
    return manifest_conversion.docker_image(described, [layer.descriptor for layer in layers]), described, config


def config_without_diff_ids(manifest: Manifest) -> bytes:
    """Return the configuration made from a manifest's history; its diff IDs are empty, as they are unknown."""
    layers = parse_layers(manifest.document)
    return _config(layers, [""] * len(non_empty(layers)))


def _config(layers: Sequence[Layer], diff_ids: Sequence[Digest | str]) -> bytes:
    """Return the configuration of the topmost layer, with the history of all layers."""
    where = "schema 1 manifest: the topmost v1Compatibility"
    fields = raw_json.members(with_all_fields(layers[-1].text, where).encode(), where)
    for name in _ONLY_IN_V1:
        fields.pop(name, None)
    fields = {name: raw_json.compact(text) for name, text in fields.items()}
    rootfs: dict[str, Any] = {"type": "layers"}
    if diff_ids:
        rootfs["diff_ids"] = list(map(str, diff_ids))
    fields["rootfs"] = dumps(rootfs)
    fields["history"] = dumps([layer.compatibility.entry.to_history() for layer in layers])
    return raw_json.write(fields)


def _layers_of_history(manifest: Manifest, history: BuildHistory) -> list[Descriptor]:
    filled = [entry for entry in history.entries if not entry.empty]
    if len(filled) != len(manifest.layers):
        raise InvalidContent(
            f"image configuration: its history tells of {len(filled)} layers, the manifest has {len(manifest.layers)}"
        )
    for layer in manifest.layers:
        if mediatype.compression(layer.media_type) == "zstd":
            raise Unsupported(f"layer {layer.digest}: zstd compression is not supported for docker images")
    layers = iter(manifest.layers)
    return [EMPTY_LAYER_DESCRIPTOR if step.empty else _plain(next(layers)) for step in history.entries]


def _plain(layer: Descriptor) -> Descriptor:
    return Descriptor(mediatype.DOCKER_LAYER_GZIP, layer.digest, layer.size)


def _v1_id(digest: Digest, *others: str) -> str:
    return hashlib.sha256(" ".join((digest.hex, *others)).encode()).hexdigest()


def _top_compatibility(config: bytes, id: str, parent: str, empty: bool) -> str:
    """Return the configuration as the ``v1Compatibility`` of the topmost layer."""
    fields = raw_json.members(config, "image configuration")
    fields.pop("rootfs", None)
    fields.pop("history", None)
    fields = {name: raw_json.compact(text) for name, text in fields.items()}
    # These do not apply to the new manifest: clients refuse a parent that is not the ID of the layer below.
    fields.pop("parent", None)
    if fields.get("throwaway") == "true":
        del fields["throwaway"]
    fields["id"] = dumps(id)
    if parent:
        fields["parent"] = dumps(parent)
    if empty:
        fields["throwaway"] = "true"
    return raw_json.write(fields).decode()
