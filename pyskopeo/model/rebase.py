"""Put an image onto another base: splice layers, diff IDs and history, without their content; no I/O.

OCI image specification, "Image Configuration" and "Pre-Defined Annotation Keys" (annotations.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent, InvalidInput, Unsupported
from ..fast_dataclass import dataclass
from ..gocompat.go_json import dumps, sorted_map
from . import mediatype
from .descriptor import Descriptor
from .digest import Digest
from .image_config import ImageConfig
from .manifest import Manifest
from .platform import Platform

BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
# Members of the new base's configuration that say what it runs on, and so are those of the new image.
_PLATFORM = ("architecture", "os", "os.version", "os.features", "variant")
# Members of a descriptor that apply to its content.
_CONTENT_MEMBERS = frozenset({"data", "urls"})


@dataclass(frozen=True, slots=True)
class RebaseImage:
    """An image that takes part in a rebase; ``name`` is its name in errors."""

    name: str
    manifest: Manifest
    config: ImageConfig

    @classmethod
    def of(cls, name: str, manifest: Manifest, config: bytes) -> RebaseImage:
        """Raises `InvalidContent` for a configuration that names another number of layers than the manifest."""
        parsed = ImageConfig.parse(config)
        if len(parsed.diff_ids) != len(manifest.layers):
            raise InvalidContent(
                f"{name}: manifest {manifest.digest} has {len(manifest.layers)} layers, its configuration names "
                f"{len(parsed.diff_ids)}"
            )
        return cls(name, manifest, parsed)

    @property
    def platform(self) -> Platform:
        """The platform that the configuration states."""
        os, architecture, variant = (
            name if isinstance(name := self.config.document.get(field), str) else ""
            for field in ("os", "architecture", "variant")
        )
        return Platform(os, architecture, variant)

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """The history, with an empty entry for each layer at its end that it does not mention."""
        history = self.config.document.get("history")
        found = [entry for entry in history if isinstance(entry, Mapping)] if isinstance(history, list) else []
        mentioned = sum(not entry.get("empty_layer") for entry in found)
        if mentioned > len(self.manifest.layers):
            raise InvalidContent(
                f"{self.name}: its history mentions {mentioned} layers, and it has {len(self.manifest.layers)}"
            )
        return found + [{}] * (len(self.manifest.layers) - mentioned)


def rebase_image(
    original: RebaseImage, old_base: RebaseImage | None, new_base: RebaseImage, annotations: Mapping[str, str]
) -> tuple[Manifest, Descriptor, bytes]:
    """Return the manifest of ``original`` with ``new_base`` in the place of ``old_base``, and its configuration.

    ``old_base`` None is an image without layers. ``annotations`` are set, and those about the base removed that are not
    among them. All that does not follow from the base stays as it is in the original. Raises `InvalidInput` if the
    original is not built on the old base, or is for another platform than the new one, and `Unsupported` for layers
    that its type of manifest cannot name.
    """
    removed = 0
    if old_base is not None:
        _check_based_on(original, old_base)
        removed = len(old_base.manifest.layers)
    if (original.platform.os, original.platform.architecture) != (new_base.platform.os, new_base.platform.architecture):
        raise InvalidInput(
            f"{original.name} is for {original.platform}, and the new base {new_base.name} for {new_base.platform}"
        )
    content = dumps(_config(original, old_base, new_base, removed)).encode()
    manifest, base = original.manifest, new_base.manifest
    assert manifest.config is not None
    described = Descriptor(manifest.config.media_type, Digest.of(content), len(content))
    document = dict(manifest.document)
    kept = {name: text for name, text in manifest.annotations.items() if name not in (BASE_NAME, BASE_DIGEST)}
    own = document.get("layers") or []
    document["config"] = _entry(document["config"]) | described.to_json()
    document["layers"] = [*_layers(base, manifest.media_type), *own[removed:]]
    document["annotations"] = sorted_map({**kept, **annotations})
    written = Manifest.parse(dumps(document).encode(), content_type=manifest.media_type)
    return written, described, content


def _check_based_on(original: RebaseImage, base: RebaseImage) -> None:
    """Raise `InvalidInput` unless the layers and the diff IDs of ``base`` are the first ones of the original."""
    refusal = f"{original.name} is not based on {base.name}: "
    if len(base.manifest.layers) > len(original.manifest.layers):
        raise InvalidInput(
            f"{refusal}it has {len(original.manifest.layers)} layers, the old base {len(base.manifest.layers)}"
        )
    pairs = zip(original.manifest.layers, base.manifest.layers, strict=False)
    for number, (layer, base_layer) in enumerate(pairs, 1):
        if layer.digest != base_layer.digest:
            digests = f"{layer.digest}, that of the old base {base_layer.digest}"
            raise InvalidInput(f"{refusal}its layer {number} is {digests}")
    diff_ids = zip(original.config.diff_ids, base.config.diff_ids, strict=False)
    for number, (diff_id, base_diff_id) in enumerate(diff_ids, 1):
        if diff_id != base_diff_id:
            raise InvalidInput(f"{refusal}its diff ID {number} is {diff_id}, that of the old base {base_diff_id}")


def _config(
    original: RebaseImage, old_base: RebaseImage | None, new_base: RebaseImage, removed: int
) -> dict[str, Any]:
    document = dict(original.config.document)
    for name in _PLATFORM:
        document.pop(name, None)
        if new_base.config.document.get(name) is not None:
            document[name] = new_base.config.document[name]
    rootfs = document.get("rootfs")
    diff_ids = [*map(str, new_base.config.diff_ids), *map(str, original.config.diff_ids[removed:])]
    document["rootfs"] = (dict(rootfs) if isinstance(rootfs, Mapping) else {"type": "layers"}) | {"diff_ids": diff_ids}
    document["history"] = [*new_base.history, *_own_history(original, old_base, removed)]
    return document


def _own_history(original: RebaseImage, old_base: RebaseImage | None, removed: int) -> list[Mapping[str, Any]]:
    """Return the history of the original after that of the old base.

    Where it does not begin with that, as in a squashed image, it begins after the last layer of the base.
    """
    history = original.history
    before = old_base.history if old_base is not None else []
    if history[: len(before)] == before:
        return history[len(before) :]
    position = layers = 0
    while layers < removed:
        layers += not history[position].get("empty_layer")
        position += 1
    return history[position:]


def _layers(base: Manifest, target: str) -> list[Mapping[str, Any]]:
    """Return the entries of the layers of ``base`` for a manifest of the type ``target``."""
    entries = base.document.get("layers") or []
    if base.media_type == target:
        return list(entries)
    convert = mediatype.layer_to_oci if target == mediatype.OCI_MANIFEST else mediatype.layer_to_docker
    converted: list[Mapping[str, Any]] = []
    for entry, layer in zip(entries, base.layers, strict=True):
        media_type = convert(layer.media_type)
        if media_type is None:
            raise Unsupported(f"layer {layer.digest} of the new base is of type {ascii(layer.media_type)[:100]}: "
                              f"a manifest of type {target} cannot name it")  # fmt: skip
        converted.append({**entry, "mediaType": media_type})
    return converted


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _CONTENT_MEMBERS}
