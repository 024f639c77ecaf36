"""Conversion of manifests between OCI and Docker types, and replacement of their layers and children.

The results are byte for byte those of skopeo. Schema 1 is converted in `schema1`. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import Unsupported
from ..fast_dataclass import replace
from ..gocompat.go_json import dumps
from . import image_config, mediatype
from .descriptor import Descriptor, platform_json
from .digest import Digest
from .manifest import Manifest
from .platform import Platform

# Members of a layer's entry that do not apply to the recompressed layer.
_CONTENT_MEMBERS = frozenset({"data", "urls"})
CONTENT_ANNOTATIONS = (  # prefixes of annotations about tables of contents in the compressed layer
    "io.github.containers.zstd-chunked.",
    "io.containers.zstd-chunked.",
    "io.containers.estargz.",
    "containerd.io/snapshot/stargz/",
)


def image_to_oci(manifest: Manifest, config: bytes) -> tuple[Manifest, Descriptor, bytes]:
    """Convert a Docker image manifest and its configuration to OCI; the layers' content is not changed.

    Returns the manifest, and the descriptor and bytes of the new configuration. Raises `Unsupported` for
    a layer type without an OCI equivalent, and `InvalidContent` for the configuration.
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
    """Convert an OCI image manifest to a Docker one, with the same configuration and layers.

    Annotations are dropped. Raises `Unsupported` for an artifact, and for layer types without a Docker
    equivalent, such as encrypted ones and those compressed with zstd.
    """
    config = manifest.config
    if config is None or not manifest.is_image:
        kind = ascii(config.media_type)[:100] if config else manifest.media_type
        raise Unsupported(f"only an image can be converted to a docker manifest, this is an artifact of type {kind}")
    layers = [replace(layer, media_type=_docker_layer_type(layer.media_type)) for layer in manifest.layers]
    return docker_image(replace(config, media_type=mediatype.DOCKER_CONFIG), layers)


def docker_image(config: Descriptor, layers: Iterable[Descriptor]) -> Manifest:
    """Return the Docker image manifest of a configuration and layers, encoded as by Go's types."""
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.DOCKER_MANIFEST,
        "config": _docker_json(config),
        "layers": list(map(_docker_json, layers)),
    }
    return Manifest.parse(dumps(document).encode())


def index_to_oci(index: Manifest, children: Mapping[Digest, Descriptor]) -> Manifest:
    """Convert a Docker manifest list to an OCI index; ``children`` are its new entries by their old digests.

    Other entries keep their Docker types, since they are not converted, perhaps not even copied.
    """
    entries = []
    for entry in index.manifests:
        new = children.get(entry.digest)
        named = new or entry
        # The platform is required in Docker's Go type, so that one without values is written too.
        platform = entry.platform or Platform("", "")
        entries.append(
            Descriptor(named.media_type, named.digest, named.size, platform=platform, urls=entry.urls).to_json()
        )
    document = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": entries}
    return Manifest.parse(dumps(document).encode())


def index_to_docker(
    index: Manifest, children: Mapping[Digest, Descriptor], default_platform: Platform | None = None
) -> Manifest:
    """Convert an OCI index to a Docker manifest list; ``children`` are its new entries by their old digests.

    Entries without a platform get ``default_platform``, by default Linux on this machine's architecture,
    since a list requires one. Annotations are dropped.
    """
    if default_platform is None:
        default_platform = replace(Platform.host(), variant="")
    entries = []
    for entry in index.manifests:
        new = children.get(entry.digest) or entry
        named = Descriptor(new.media_type, new.digest, new.size, urls=entry.urls)
        entries.append(_docker_json(named) | {"platform": platform_json(entry.platform or default_platform)})
    document = {"schemaVersion": 2, "mediaType": mediatype.DOCKER_LIST, "manifests": entries}
    return Manifest.parse(dumps(document).encode())


def replace_layers(manifest: Manifest, changed: Mapping[Digest, Descriptor]) -> Manifest:
    """Return a manifest in which layers are replaced; ``changed`` are the new ones by their old digests.

    Everything else is kept, unknown members and annotations included, except for what applies to the old
    content: embedded data, URLs, annotations about tables of contents, signatures of schema 1.
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
            _replace_entry(entry, changed[described.digest]) if described.digest in changed else entry
            for entry, described in zip(document.get("layers") or (), manifest.layers, strict=True)
        ]
        written = Manifest.parse(dumps(document).encode(), content_type=manifest.media_type)
    # Keep what is known about layers from elsewhere: their actual types, and the sizes that schema 1 lacks.
    layers = tuple(
        replace(new, size=changed[old.digest].size) if old.digest in changed else old
        for old, new in zip(manifest.layers, written.layers, strict=True)
    )
    return replace(written, layers=layers)


def replace_children(
    index: Manifest, children: Mapping[Digest, Descriptor], kept: frozenset[Digest] | None
) -> Manifest:
    """Return an index with other entries: ``children`` are the new ones by their old digests.

    If ``kept`` is given, only entries with these old digests remain. Everything else is kept, unknown
    members included.
    """
    document = dict(index.document)
    entries = []
    for written, described in zip(document.get("manifests") or (), index.manifests, strict=True):
        if kept is not None and described.digest not in kept:
            continue
        entry = dict(written)
        if new := children.get(described.digest):
            # Embedded data is that of the old manifest.
            entry.pop("data", None)
            entry |= {"mediaType": new.media_type, "digest": str(new.digest), "size": new.size}
        entries.append(entry)
    document["manifests"] = entries
    return Manifest.parse(dumps(document).encode(), content_type=index.media_type)


def _layer_to_oci(layer: Descriptor) -> Descriptor:
    # Some tools write layers of the other family: they are converted already.
    media_type = mediatype.layer_to_oci(layer.media_type)
    if media_type is None:
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
    found = mediatype.layer_to_docker(media_type)
    if found is None:
        raise Unsupported(f"unknown media type during manifest conversion: {ascii(media_type)[:100]}")
    return found


def _docker_json(descriptor: Descriptor) -> dict[str, Any]:
    """Return the JSON object of a descriptor, with the fields in the order of Docker's Go type."""
    value: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "size": descriptor.size,
        "digest": str(descriptor.digest),
    }
    return value | {"urls": list(descriptor.urls)} if descriptor.urls else value


def _replace_entry(entry: Mapping[str, Any], new: Descriptor) -> dict[str, Any]:
    changed = {name: value for name, value in entry.items() if name not in _CONTENT_MEMBERS}
    if annotations := changed.get("annotations"):
        kept = {name: text for name, text in annotations.items() if not name.startswith(CONTENT_ANNOTATIONS)}
        changed["annotations"] = kept
        if not kept:
            del changed["annotations"]
    if mediatype.is_encrypted(new.media_type) or mediatype.is_encrypted(entry.get("mediaType") or ""):
        changed = _replace_keys(changed, new)
    return changed | {"mediaType": new.media_type, "digest": str(new.digest), "size": new.size}


def _replace_keys(entry: dict[str, Any], new: Descriptor) -> dict[str, Any]:
    """Return an entry with the annotations of ``new`` for decryption in the place of its own, in the order of Go."""
    prefix = mediatype.ENCRYPTION_ANNOTATIONS
    annotations = {name: text for name, text in (entry.get("annotations") or {}).items() if not name.startswith(prefix)}
    annotations |= {name: text for name, text in new.annotations.items() if name.startswith(prefix)}
    others = {name: value for name, value in entry.items() if name != "annotations"}
    return others | ({"annotations": dict(sorted(annotations.items()))} if annotations else {})
