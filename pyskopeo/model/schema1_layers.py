"""The layers and history of a schema 1 manifest (Docker image manifest version 2, schema 1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidContent
from ..fast_dataclass import dataclass
from ..gocompat.field_names import FieldNames
from . import mediatype
from .descriptor import UNKNOWN_SIZE, Descriptor
from .digest import Digest
from .v1_image import V1Compatibility

_MAX_LAYERS = 20_000
_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Layer:
    """An entry of ``fsLayers`` with its entry of ``history``; ``text`` is the latter's ``v1Compatibility``."""

    digest: Digest
    text: str
    compatibility: V1Compatibility

    @property
    def descriptor(self) -> Descriptor:
        """The descriptor of the layer, of `UNKNOWN_SIZE`."""
        return Descriptor(mediatype.DOCKER_LAYER_GZIP, self.digest, UNKNOWN_SIZE)


def read_layers(document: Mapping[str, Any]) -> tuple[Descriptor, ...]:
    """Return the descriptors of all layers, also empty ones, base layer first; see `parse_layers`."""
    return tuple(layer.descriptor for layer in parse_layers(document))


def non_empty(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers that are not marked as empty (``throwaway``)."""
    return tuple(layer for layer in layers if not layer.compatibility.entry.empty)


def parse_layers(document: Mapping[str, Any]) -> tuple[Layer, ...]:
    """Return the layers of a decoded manifest, base layer first, each the parent of the next one.

    Consecutive layers with the same ID are one layer. Raises `InvalidContent`.
    """
    sums, texts = _strings(document, "fsLayers", "blobSum"), _strings(document, "history", "v1Compatibility")
    if len(sums) != len(texts) or not sums:
        raise InvalidContent(f"schema 1 manifest: {len(sums)} fsLayers and {len(texts)} history entries, want as many")
    for name in ("name", "tag", "architecture"):
        if not isinstance(document.get(name), str | None):
            raise InvalidContent(f"schema 1 manifest: {name} is not a string")
    found: list[Layer] = []
    seen: set[str] = set()
    for position in reversed(range(len(sums))):
        where = f"schema 1 manifest: history[{position}].v1Compatibility"
        layer = Layer(Digest.parse(sums[position]), texts[position], V1Compatibility.parse(texts[position], where))
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
    entries = document.get(name)
    if not isinstance(entries, list) or len(entries) > _MAX_LAYERS:
        raise InvalidContent(f"schema 1 manifest: {name} is not a list of at most {_MAX_LAYERS} entries")
    found = []
    names = FieldNames.of(member)
    for position, entry in enumerate(entries):
        if isinstance(entry, dict):
            names.check(entry, f"schema 1 manifest: {name}[{position}]")
        text = entry.get(member) if isinstance(entry, dict) else None
        if not isinstance(text, str):
            raise InvalidContent(f"schema 1 manifest: {name}[{position}] has no {member}")
        found.append(text)
    return found
