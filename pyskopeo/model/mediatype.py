"""Media types of manifests, configurations and layers, and their equivalents.

OCI image specification ("Media Types"); Docker's image manifest version 2, schema 2 and schema 1.
"""

from __future__ import annotations

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = OCI_LAYER + "+gzip"
OCI_LAYER_ZSTD = OCI_LAYER + "+zstd"
OCI_NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar"

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = DOCKER_LAYER + ".gzip"
DOCKER_LAYER_ZSTD = DOCKER_LAYER + ".zstd"
DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar"
DOCKER_FOREIGN_GZIP = DOCKER_FOREIGN + ".gzip"

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = IMAGES | INDEXES
# Not part of MANIFESTS, since most destinations do not accept them.
SCHEMA1_IMAGES = frozenset({SCHEMA1, SCHEMA1_SIGNED})
IMAGE_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})

_BLOB_PREFIXES = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.buildkit.cacheconfig.",
    "application/vnd.oci.empty.",
)

_ENCRYPTED = "+encrypted"
ENCRYPTION_ANNOTATIONS = "org.opencontainers.image.enc."
"""The prefix of annotations with which an encrypted layer can be decrypted (ocicrypt)."""

# In the order in which skopeo 1.22 sends them.
ACCEPT = (OCI_MANIFEST, DOCKER_MANIFEST, SCHEMA1_SIGNED, SCHEMA1, DOCKER_LIST, OCI_INDEX)

_LAYERS_TO_OCI = {
    DOCKER_LAYER: OCI_LAYER,
    DOCKER_LAYER_GZIP: OCI_LAYER_GZIP,
    DOCKER_LAYER_ZSTD: OCI_LAYER_ZSTD,
    DOCKER_FOREIGN: OCI_NONDISTRIBUTABLE,
    DOCKER_FOREIGN_GZIP: OCI_NONDISTRIBUTABLE + "+gzip",
}
# Without zstd, which Docker's own tools do not read.
_LAYERS_TO_DOCKER = {oci: docker for docker, oci in _LAYERS_TO_OCI.items() if docker != DOCKER_LAYER_ZSTD}


def layer_to_oci(media_type: str) -> str | None:
    """Return the OCI type of a layer, which may have it already; None for a type that is no known layer type."""
    return None if compression(media_type) is None else _LAYERS_TO_OCI.get(media_type, media_type)


def layer_to_docker(media_type: str) -> str | None:
    """Return the Docker type of a layer, which may have it already; None for unknown types, and for zstd."""
    return _LAYERS_TO_DOCKER.get(layer_to_oci(media_type) or "")


def is_blob(media_type: str) -> bool:
    """Return whether the type is one of a layer, a configuration or another document that is no manifest.

    BuildKit's cache is an index of such blobs: layers and a configuration of its own.
    """
    return media_type in IMAGE_CONFIGS or media_type.startswith(_BLOB_PREFIXES)


def is_foreign(media_type: str) -> bool:
    """Return whether a layer is non-distributable ("foreign"): its URLs say where it can be downloaded."""
    return media_type.startswith((OCI_NONDISTRIBUTABLE, DOCKER_FOREIGN))


def is_encrypted(media_type: str) -> bool:
    """Return whether a layer is encrypted (ocicrypt, "MediaType")."""
    return media_type.endswith(_ENCRYPTED)


def encrypted(media_type: str) -> str:
    """Return the type of a layer of ``media_type`` when it is encrypted."""
    return media_type + _ENCRYPTED


def decrypted(media_type: str) -> str:
    """Return the type of an encrypted layer when it is decrypted, any other type unchanged."""
    return media_type.removesuffix(_ENCRYPTED)


def compression(media_type: str) -> str | None:
    """Return the compression of a known layer type, ``gzip``, ``zstd`` or ""; None for any other type."""
    for base in (OCI_LAYER, OCI_NONDISTRIBUTABLE, DOCKER_LAYER, DOCKER_FOREIGN):
        if media_type.startswith(base):
            return {"": "", "+gzip": "gzip", ".gzip": "gzip", "+zstd": "zstd", ".zstd": "zstd"}.get(
                media_type[len(base) :]
            )
    return None


def with_compression(media_type: str, format: str) -> str | None:
    """Return the layer type that differs in compression only: ``gzip``, ``zstd``, or "" for none.

    None if ``media_type`` is no known layer type, such as an encrypted one, or if there is no type for that
    compression, as for zstd with Docker's foreign layers.
    """
    if compression(media_type) is None or format not in ("", "gzip", "zstd"):
        return None
    base = next(b for b in (OCI_LAYER, OCI_NONDISTRIBUTABLE, DOCKER_LAYER, DOCKER_FOREIGN) if media_type.startswith(b))
    if not format:
        return base
    if base in (OCI_LAYER, OCI_NONDISTRIBUTABLE):
        return f"{base}+{format}"
    return None if base == DOCKER_FOREIGN and format == "zstd" else f"{base}.{format}"


def essence(content_type: str) -> str:
    """Return a Content-Type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()
