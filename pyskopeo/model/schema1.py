"""Docker's image manifest version 2, schema 1: its layers and history, and conversion from and to schema 2.

Converted manifests and configurations are those that skopeo writes, byte for byte, but never signed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import InvalidContent, Unsupported
from ..records import dataclass
from . import convert, mediatype, rawjson
from .change import Outcome
from .descriptor import UNKNOWN_SIZE, Descriptor
from .digest import Digest
from .gojson import dumps
from .manifest import Manifest
from .v1image import BuildRecord, Compatibility, with_all_fields

# An empty tar in gzip, the very bytes that registries hold for every step of a build that changed no file.
EMPTY_LAYER = bytes.fromhex("1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000")
EMPTY_LAYER_DESCRIPTOR = Descriptor(mediatype.DOCKER_LAYER_GZIP, Digest.of(EMPTY_LAYER), len(EMPTY_LAYER))

_MOST_LAYERS = 20_000
_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
# What a configuration says elsewhere, or not at all.
_ONLY_IN_V1 = ("id", "parent", "parent_id", "layer_id", "throwaway", "Size")


@dataclass(frozen=True, slots=True)
class _Layer:
    """An entry of ``fsLayers`` with its entry of ``history``."""

    digest: Digest
    text: str
    compatibility: Compatibility

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(mediatype.DOCKER_LAYER_GZIP, self.digest, UNKNOWN_SIZE)


def read_layers(document: Mapping[str, Any]) -> tuple[Descriptor, ...]:
    """The layers of a manifest's document, base first, the empty ones too, their sizes unknown.

    What stands twice in a row under one ID counts once. Raises `InvalidContent`.
    """
    return tuple(layer.descriptor for layer in _layers(document))


def filled_layers(manifest: Manifest) -> tuple[Descriptor, ...]:
    """The layers that hold files, base first: those that stay when the image is converted."""
    return tuple(layer.descriptor for layer in _filled(_layers(manifest.document)))


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
    known = _layers(manifest.document)
    if len(layers) != len(_filled(known)):
        raise ValueError(f"there are {len(_filled(known))} layers with files, not {len(layers)}")
    config = _config(known, [layer.diff_id for layer in layers])
    described = Descriptor(mediatype.DOCKER_CONFIG, Digest.of(config), len(config))
    return convert.docker_image(described, [layer.descriptor for layer in layers]), described, config


def told_config(manifest: Manifest) -> bytes:
    """The configuration as far as a manifest tells it: what its layers are inside, it does not say."""
    layers = _layers(manifest.document)
    return _config(layers, [""] * len(_filled(layers)))


def _config(layers: Sequence[_Layer], diff_ids: Sequence[Digest | str]) -> bytes:
    """The configuration of the topmost layer, with the history that all of them tell."""
    where = "schema 1 manifest: the topmost v1Compatibility"
    fields = rawjson.members(with_all_fields(layers[-1].text, where).encode(), where)
    for name in _ONLY_IN_V1:
        fields.pop(name, None)
    fields = {name: rawjson.compact(text) for name, text in fields.items()}
    rootfs: dict[str, Any] = {"type": "layers"}
    if diff_ids:
        rootfs["diff_ids"] = list(map(str, diff_ids))
    fields["rootfs"] = dumps(rootfs)
    fields["history"] = dumps([layer.compatibility.step.to_history() for layer in layers])
    return rawjson.write(fields)


def _filled(layers: Sequence[_Layer]) -> tuple[_Layer, ...]:
    return tuple(layer for layer in layers if not layer.compatibility.step.empty)


def _layers(document: Mapping[str, Any]) -> tuple[_Layer, ...]:
    """Base first, each with a parent that is the one below."""
    sums, texts = _strings(document, "fsLayers", "blobSum"), _strings(document, "history", "v1Compatibility")
    if len(sums) != len(texts) or not sums:
        raise InvalidContent(f"schema 1 manifest: {len(sums)} fsLayers and {len(texts)} history entries, want as many")
    for name in ("name", "tag", "architecture"):
        if not isinstance(document.get(name, ""), str):
            raise InvalidContent(f"schema 1 manifest: {name} is not a string")
    found: list[_Layer] = []
    seen: set[str] = set()
    for position in reversed(range(len(sums))):
        where = f"schema 1 manifest: history[{position}].v1Compatibility"
        layer = _Layer(Digest.parse(sums[position]), texts[position], Compatibility.parse(texts[position], where))
        id, below = layer.compatibility.id, found[-1].compatibility.id if found else ""
        if not _ID.fullmatch(id):
            raise InvalidContent(f"{where}: id is {ascii(id)[:80]}, want 64 lower-case hex digits")
        if id == below:
            continue
        if id in seen:
            raise InvalidContent(f"{where}: the id {id} appears more than once")
        if layer.compatibility.parent != below:
            raise InvalidContent(
                f"{where}: parent is {ascii(layer.compatibility.parent)[:80]}, want {below or 'none in the base layer'}"
            )
        seen.add(id)
        found.append(layer)
    return tuple(found)


def _strings(document: Mapping[str, Any], name: str, member: str) -> list[str]:
    listed = document.get(name)
    if not isinstance(listed, list) or len(listed) > _MOST_LAYERS:
        raise InvalidContent(f"schema 1 manifest: {name} is not a list of at most {_MOST_LAYERS} entries")
    found = []
    for position, entry in enumerate(listed):
        text = entry.get(member) if isinstance(entry, dict) else None
        if not isinstance(text, str):
            raise InvalidContent(f"schema 1 manifest: {name}[{position}] has no {member}")
        found.append(text)
    return found


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
    fields = rawjson.members(config, "image configuration")
    fields.pop("rootfs", None)
    fields.pop("history", None)
    fields = {name: rawjson.compact(text) for name, text in fields.items()}
    # What the configuration itself says of these is not so: with another image's parent no client would take it.
    fields.pop("parent", None)
    if fields.get("throwaway") == "true":
        del fields["throwaway"]
    fields["id"] = dumps(id)
    if parent:
        fields["parent"] = dumps(parent)
    if empty:
        fields["throwaway"] = "true"
    return rawjson.write(fields).decode()
