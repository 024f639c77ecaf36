"""Docker's image manifest version 2, schema 1: its layers and history, and conversion from and to schema 2.

Converted manifests and configurations are those that skopeo writes, byte for byte, but never signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import InvalidContent, Unsupported
from ..gocompat.go_json import dumps
from . import convert, mediatype, raw_json
from .change import Outcome
from .descriptor import Descriptor
from .digest import Digest
from .manifest import Manifest
from .schema1_layers import Layer, filled, parse_layers
from .v1_image import BuildRecord, with_all_fields

# An empty tar in gzip, the very bytes that registries hold for every step of a build that changed no file.
EMPTY_LAYER = bytes.fromhex("1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000")
EMPTY_LAYER_DESCRIPTOR = Descriptor(mediatype.DOCKER_LAYER_GZIP, Digest.of(EMPTY_LAYER), len(EMPTY_LAYER))

# What a configuration says elsewhere, or not at all.
_ONLY_IN_V1 = ("id", "parent", "parent_id", "layer_id", "throwaway", "Size")


def filled_layers(manifest: Manifest) -> tuple[Descriptor, ...]:
    """The layers that hold files, base first: those that stay when the image is converted."""
    return tuple(layer.descriptor for layer in filled(parse_layers(manifest.document)))


def to_docker(manifest: Manifest, layers: Sequence[Outcome]) -> tuple[Manifest, Descriptor, bytes]:
    """The image as a schema 2 manifest, with the descriptor and the bytes of the configuration made for it.

    ``layers`` are what became of each of `filled_layers`, in that order; they may have been
    recompressed. Raises `InvalidContent`, and `Unsupported` for a layer that is compressed with zstd.
    """
    for layer in layers:
        if mediatype.compression(layer.descriptor.media_type) == "zstd":
            raise Unsupported(
                f"layer {layer.descriptor.digest}: zstd compression is not supported for docker images: "
                "use the OCI format, or gzip"
            )
    return _to_docker(manifest, layers)


def to_oci(manifest: Manifest, layers: Sequence[Outcome]) -> tuple[Manifest, Descriptor, bytes]:
    """The image as an OCI manifest, with its configuration, as `to_docker` has them; zstd is welcome."""
    converted, _, config = _to_docker(manifest, layers)
    return convert.image_to_oci(converted, config)


def from_docker(
    manifest: Manifest, config: bytes, name: str, tag: str
) -> tuple[Manifest, tuple[tuple[Descriptor, bytes], ...]]:
    """A schema 2 image as an unsigned schema 1 manifest, and the blobs it needs beyond the image's layers.

    ``name`` is the repository without its registry. The one such blob there can be is the empty
    layer, wanted where a step of the history changed no file. Raises `InvalidContent` when history and layers do
    not fit together, `Unsupported` when there is no history, or for layers compressed with zstd.
    """
    record = BuildRecord.parse(config)
    if not record.steps:
        raise Unsupported("cannot convert an image with 0 history entries to schema 1")
    layers = _one_for_each_step(manifest, record)
    entries: list[tuple[Digest, str]] = []
    id, parent = "", ""
    for layer, step in zip(layers, record.steps, strict=True):
        id, parent = _v1_id(layer.digest, id), id
        entries.append((layer.digest, step.to_compatibility(id, parent)))
    top = layers[-1].digest
    entries[-1] = (top, _topmost(config, _v1_id(top, parent, config.decode()), parent, record.steps[-1].empty))
    document = {
        "name": name,
        "tag": tag,
        "architecture": record.architecture,
        "fsLayers": [{"blobSum": str(digest)} for digest, _ in reversed(entries)],
        "history": [{"v1Compatibility": text} for _, text in reversed(entries)],
        "schemaVersion": 1,
    }
    converted = Manifest.parse(dumps(document).encode(), content_type=mediatype.SCHEMA1)
    extra = ((EMPTY_LAYER_DESCRIPTOR, EMPTY_LAYER),) if EMPTY_LAYER_DESCRIPTOR in layers else ()
    # As they are read from the manifest, but with the sizes that are known here.
    return replace(converted, layers=tuple(layers)), extra


def _to_docker(manifest: Manifest, layers: Sequence[Outcome]) -> tuple[Manifest, Descriptor, bytes]:
    known = parse_layers(manifest.document)
    if len(layers) != len(filled(known)):
        raise ValueError(f"there are {len(filled(known))} layers with files, not {len(layers)}")
    config = _config(known, [layer.diff_id for layer in layers])
    described = Descriptor(mediatype.DOCKER_CONFIG, Digest.of(config), len(config))
    return convert.docker_image(described, [layer.descriptor for layer in layers]), described, config


def told_config(manifest: Manifest) -> bytes:
    """The configuration as far as a manifest tells it: what its layers are inside, it does not say."""
    layers = parse_layers(manifest.document)
    return _config(layers, [""] * len(filled(layers)))


def _config(layers: Sequence[Layer], diff_ids: Sequence[Digest | str]) -> bytes:
    """The configuration of the topmost layer, with the history that all of them tell."""
    where = "schema 1 manifest: the topmost v1Compatibility"
    fields = raw_json.members(with_all_fields(layers[-1].text, where).encode(), where)
    for name in _ONLY_IN_V1:
        fields.pop(name, None)
    fields = {name: raw_json.compact(text) for name, text in fields.items()}
    rootfs: dict[str, Any] = {"type": "layers"}
    if diff_ids:
        rootfs["diff_ids"] = list(map(str, diff_ids))
    fields["rootfs"] = dumps(rootfs)
    fields["history"] = dumps([layer.compatibility.step.to_history() for layer in layers])
    return raw_json.write(fields)


def _one_for_each_step(manifest: Manifest, record: BuildRecord) -> list[Descriptor]:
    filled = [step for step in record.steps if not step.empty]
    if len(filled) != len(manifest.layers):
        raise InvalidContent(
            f"image configuration: its history tells of {len(filled)} layers, the manifest has {len(manifest.layers)}"
        )
    for layer in manifest.layers:
        if mediatype.compression(layer.media_type) == "zstd":
            raise Unsupported(f"layer {layer.digest}: zstd compression is not supported for docker images")
    layers = iter(manifest.layers)
    return [EMPTY_LAYER_DESCRIPTOR if step.empty else _plain(next(layers)) for step in record.steps]


def _plain(layer: Descriptor) -> Descriptor:
    return Descriptor(mediatype.DOCKER_LAYER_GZIP, layer.digest, layer.size)


def _v1_id(digest: Digest, *others: str) -> str:
    return hashlib.sha256(" ".join((digest.hex, *others)).encode()).hexdigest()


def _topmost(config: bytes, id: str, parent: str, empty: bool) -> str:
    """The configuration as the ``v1Compatibility`` of the topmost layer."""
    fields = raw_json.members(config, "image configuration")
    fields.pop("rootfs", None)
    fields.pop("history", None)
    fields = {name: raw_json.compact(text) for name, text in fields.items()}
    # What the configuration itself says of these is not so: with another image's parent no client would take it.
    fields.pop("parent", None)
    if fields.get("throwaway") == "true":
        del fields["throwaway"]
    fields["id"] = dumps(id)
    if parent:
        fields["parent"] = dumps(parent)
    if empty:
        fields["throwaway"] = "true"
    return raw_json.write(fields).decode()
