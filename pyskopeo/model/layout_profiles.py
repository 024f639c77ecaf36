"""What programs that read OCI layouts demand beyond the specification: umoci, and docker-library's two importers.

docker-library: bashbrew's ``oci-import`` builder and ``oci-validate.sh`` of its meta-scripts; a layout has to satisfy
both. umoci: version 0.6, whose demands are those of 0.4.7, which does not read zstd besides. No I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import mediatype
from .layout import REF_NAME, is_name
from .strict_json import MANIFEST_LIMIT

PROFILES = ("umoci", "docker-library")

_SMALLEST_MANIFEST, _SMALLEST_CONFIG = 3, 2
_INDEX_FIELDS = frozenset({"schemaVersion", "mediaType", "manifests", "subject", "annotations"})
_MANIFEST_FIELDS = frozenset({"schemaVersion", "mediaType", "config", "layers", "subject", "annotations"})
_DESCRIPTOR_FIELDS = frozenset({"mediaType", "digest", "size", "urls", "annotations", "data", "platform"})
_PLATFORM_FIELDS = frozenset({"architecture", "os", "os.version", "os.features", "variant"})
_LIBRARY_LAYERS = frozenset({mediatype.OCI_LAYER, mediatype.OCI_LAYER_GZIP})
_UMOCI_LAYERS = frozenset(
    base + compression
    for base in (mediatype.OCI_LAYER, mediatype.OCI_NONDISTRIBUTABLE) for compression in ("", "+gzip", "+zstd")
)  # fmt: skip


def layout_file_problems(profile: str, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with an ``oci-layout`` file that is valid."""
    if profile == "docker-library":
        yield from _unknown_fields(document, frozenset({"imageLayoutVersion"}), "oci-layout")


def index_problems(profile: str, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with an ``index.json`` that is valid, without the images that it names."""
    entries: Sequence[Mapping[str, Any]] = document.get("manifests") or ()
    if profile == "umoci":
        yield from _umoci_names(entries)
        return
    yield from _unknown_fields(document, _INDEX_FIELDS, "index.json")
    if document.get("mediaType") != mediatype.OCI_INDEX:
        yield f"mediaType is not stated: want {mediatype.OCI_INDEX}"
    if len(entries) != 1:
        yield f"there are {len(entries)} images: want exactly one"
    for position, entry in enumerate(entries):
        where = f"manifests[{position}]"
        yield from _library_descriptor(entry, where, frozenset({mediatype.OCI_MANIFEST}))
        if not _SMALLEST_MANIFEST <= entry["size"] <= MANIFEST_LIMIT:
            yield f"{where}.size is {entry['size']}: want {_SMALLEST_MANIFEST} to {MANIFEST_LIMIT}"
        if any(name.startswith("vnd.docker.reference.") for name in entry.get("annotations") or ()):
            yield f"{where} is an attestation"


def manifest_problems(profile: str, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a valid manifest that an entry, or a list of umoci's, leads to."""
    stated = document.get("mediaType")
    config: Mapping[str, Any] = document.get("config") or {}
    layers: Sequence[Mapping[str, Any]] = document.get("layers") or ()
    if profile == "umoci":
        if stated not in (None, "", mediatype.OCI_MANIFEST):
            yield f"mediaType is {_shown(stated)}: want {mediatype.OCI_MANIFEST}"
        yield from _umoci_type(config, "config", frozenset({mediatype.OCI_CONFIG}))
        for position, layer in enumerate(layers):
            yield from _umoci_type(layer, f"layers[{position}]", _UMOCI_LAYERS)
        return
    yield from _unknown_fields(document, _MANIFEST_FIELDS, "the manifest")
    if stated != mediatype.OCI_MANIFEST:
        yield f"mediaType is {_shown(stated)}: want {mediatype.OCI_MANIFEST}"
    yield from _library_descriptor(config, "config", frozenset({mediatype.OCI_CONFIG}))
    if config.get("size", 0) < _SMALLEST_CONFIG:
        yield f"config.size is {config.get('size')}: want {_SMALLEST_CONFIG} or more"
    for position, layer in enumerate(layers):
        yield from _library_descriptor(layer, f"layers[{position}]", _LIBRARY_LAYERS)


def config_problems(profile: str, config: Mapping[str, Any], layers: int) -> Iterator[str]:
    """Yield what is wrong with the configuration of an image of ``layers`` layers."""
    if profile != "umoci":
        return
    rootfs = config.get("rootfs")
    kind = rootfs.get("type") if isinstance(rootfs, Mapping) else None
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, Mapping) else None
    if kind != "layers":
        yield f"rootfs.type is {_shown(kind)}: want layers"
    if layers and (not isinstance(diff_ids, Sequence) or len(diff_ids) < layers):
        yield f"rootfs.diff_ids has fewer digests than there are layers, {layers}"


def _umoci_names(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = [(entry.get("annotations") or {}).get(REF_NAME) or "" for entry in entries]
    if not any(names):
        yield f"no image has a name, {REF_NAME}, by which umoci could find it"
    for name, count in Counter(filter(None, names)).items():
        if not is_name(name):
            yield f"{_shown(name)} is no valid name of an image"
        if count > 1:
            yield f"{count} images are named {_shown(name)}: the name is ambiguous"
    for position, entry in enumerate(entries):
        yield from _umoci_digest(entry, f"manifests[{position}]")


def _umoci_digest(descriptor: Mapping[str, Any], where: str) -> Iterator[str]:
    digest = str(descriptor.get("digest"))
    if not digest.startswith("sha256:"):
        yield f"{where}.digest is {_shown(digest[:30])}: want sha256"


def _umoci_type(descriptor: Mapping[str, Any], where: str, wanted: frozenset[str]) -> Iterator[str]:
    yield from _umoci_digest(descriptor, where)
    if str(descriptor.get("mediaType")) not in wanted:
        yield f"{where}.mediaType is {_shown(descriptor.get('mediaType'))}: want one of {', '.join(sorted(wanted))}"


def _library_descriptor(descriptor: Mapping[str, Any], where: str, wanted: frozenset[str]) -> Iterator[str]:
    yield from _unknown_fields(descriptor, _DESCRIPTOR_FIELDS, where)
    if str(descriptor.get("mediaType")) not in wanted:
        yield f"{where}.mediaType is {_shown(descriptor.get('mediaType'))}: want {' or '.join(sorted(wanted))}"
    if str(descriptor.get("digest")).partition(":")[0] not in ("sha256", "sha512"):
        yield f"{where}.digest is {_shown(str(descriptor.get('digest'))[:30])}: want sha256 or sha512"
    if descriptor.get("urls"):
        yield f"{where}.urls is not empty"
    platform = descriptor.get("platform")
    if isinstance(platform, Mapping):
        yield from _unknown_fields(platform, _PLATFORM_FIELDS, f"{where}.platform")
        required = {"architecture", "os"} | (platform.keys() & {"os.version", "variant"})
        yield from (f"{where}.platform.{name} is empty" for name in sorted(required) if not platform.get(name))


def _unknown_fields(document: Mapping[str, Any], known: frozenset[str], where: str) -> Iterator[str]:
    yield from (f"{where} has the field {_shown(name)}" for name in sorted(document.keys() - known))


def _shown(value: object) -> str:
    """Return a value from the layout for a message: short, and without control characters."""
    text = ascii(value) if isinstance(value, str) else str(value)
    return text[:120]
