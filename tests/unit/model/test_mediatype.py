"""Media types."""

import pytest

from pyskopeo.model import mediatype as m


@pytest.mark.parametrize(
    ("docker", "oci"),
    [
        ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
        ),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        ),
    ],
)
def test_equivalent_layers(docker: str, oci: str) -> None:
    assert m.layer_to_oci(docker) == m.layer_to_oci(oci) == oci
    # Docker's own tools read no zstd.
    wanted = None if "zstd" in oci else docker
    assert (m.layer_to_docker(docker), m.layer_to_docker(oci)) == (wanted, wanted)
    assert m.is_foreign(docker) == m.is_foreign(oci) == ("foreign" in docker)
    assert m.compression(docker) == m.compression(oci)


@pytest.mark.parametrize("media_type", ["", "application/x", m.OCI_CONFIG, m.DOCKER_MANIFEST, m.OCI_LAYER + "+encrypted"])
def test_what_is_no_layer_that_can_be_converted(media_type: str) -> None:
    assert m.layer_to_oci(media_type) is None
    assert m.layer_to_docker(media_type) is None


@pytest.mark.parametrize(
    ("media_type", "compression"),
    [
        (m.OCI_LAYER, ""),
        (m.OCI_LAYER_GZIP, "gzip"),
        (m.OCI_LAYER_ZSTD, "zstd"),
        (m.DOCKER_LAYER, ""),
        (m.DOCKER_LAYER_GZIP, "gzip"),
        (m.DOCKER_FOREIGN_GZIP, "gzip"),
        (m.OCI_NONDISTRIBUTABLE + "+zstd", "zstd"),
        (m.OCI_LAYER + "+encrypted", None),
        (m.OCI_LAYER_GZIP + "+encrypted", None),
        ("application/vnd.in-toto+json", None),
        ("", None),
    ],
)
def test_compression(media_type: str, compression: str | None) -> None:
    assert m.compression(media_type) == compression


@pytest.mark.parametrize(
    ("header", "essence"),
    [("Application/JSON; charset=utf-8", "application/json"), (" a/b ;x", "a/b"), ("", ""), (m.OCI_INDEX, m.OCI_INDEX)],
)
def test_essence(header: str, essence: str) -> None:
    assert m.essence(header) == essence


def test_the_accept_header_is_skopeos() -> None:
    assert m.ACCEPT == (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
    )
