"""Media types of manifests, configurations and layers, and which belong together."""

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
# Apart from the others: what takes images takes these only where it says so.
SCHEMA1_IMAGES = frozenset({SCHEMA1, SCHEMA1_SIGNED})
IMAGE_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})

# skopeo's order (skopeo 1.22, "Accept header order").
ACCEPT = (OCI_MANIFEST, DOCKER_MANIFEST, SCHEMA1_SIGNED, SCHEMA1, DOCKER_LIST, OCI_INDEX)

_DOCKER_TO_OCI = {
    DOCKER_MANIFEST: OCI_MANIFEST,
    DOCKER_LIST: OCI_INDEX,
    DOCKER_CONFIG: OCI_CONFIG,
    DOCKER_LAYER: OCI_LAYER,
    DOCKER_LAYER_GZIP: OCI_LAYER_GZIP,
    DOCKER_LAYER_ZSTD: OCI_LAYER_ZSTD,
    DOCKER_FOREIGN: OCI_NONDISTRIBUTABLE,
    DOCKER_FOREIGN_GZIP: OCI_NONDISTRIBUTABLE + "+gzip",
}

# Without zstd: Docker's own tools read no such layers.
_OCI_TO_DOCKER = {oci: docker for docker, oci in _DOCKER_TO_OCI.items() if docker != DOCKER_LAYER_ZSTD}


def to_docker(media_type: str) -> str | None:
    """The Docker type that says the same as an OCI one; None when there is none, as for zstd."""
    return _OCI_TO_DOCKER.get(media_type)


def to_oci(media_type: str) -> str | None:
    """The OCI type that says the same as a Docker one; None when there is none."""
    return _DOCKER_TO_OCI.get(media_type)


def is_foreign(media_type: str) -> bool:
    """Whether a layer is non-distributable: described by URLs, perhaps absent from the registry."""
    return media_type.startswith((OCI_NONDISTRIBUTABLE, DOCKER_FOREIGN))


def is_encrypted(media_type: str) -> bool:
    """Whether a layer can be read only with a key (ocicrypt, "MediaType")."""
    return media_type.endswith("+encrypted")


def compression(media_type: str) -> str | None:
    """``gzip``, ``zstd`` or ``""`` for the layer types we know, None for any other."""
    for base in (OCI_LAYER, OCI_NONDISTRIBUTABLE, DOCKER_LAYER, DOCKER_FOREIGN):
        if media_type.startswith(base):
            return {"": "", "+gzip": "gzip", ".gzip": "gzip", "+zstd": "zstd", ".zstd": "zstd"}.get(
                media_type[len(base) :]
            )
    return None


def with_compression(media_type: str, format: str) -> str | None:
    """The same kind of layer, OCI or Docker, compressed with ``gzip``, ``zstd``, or "" for not at all.

    None where there is no such type: what comes is none of the layer types we know (an encrypted one,
    say), or the format has no name there, as zstd for Docker's foreign layers.
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
    """A Content-Type without its parameters, lower-cased."""
    return content_type.partition(";")[0].strip().lower()
