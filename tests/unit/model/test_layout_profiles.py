"""What umoci and docker-library's importers demand, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyskopeo.cli import layout_output_flags
from pyskopeo.model.layout_profiles import (
    PROFILES,
    config_problems,
    index_problems,
    layout_file_problems,
    manifest_problems,
)

_OCI = "application/vnd.oci.image"
DIGEST = f"sha256:{'a' * 64}"
Change = Callable[[dict[str, Any]], object]


def descriptor(media_type: str, **more: object) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": DIGEST, "size": 100, **more}


def index() -> dict[str, Any]:
    annotations = {"org.opencontainers.image.ref.name": "app:1"}
    entry = descriptor(f"{_OCI}.manifest.v1+json", platform={"os": "linux", "architecture": "amd64"}, annotations=annotations)
    return {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [entry], "annotations": {"a": "b"}}


def manifest() -> dict[str, Any]:
    return {
        "schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json", "config": descriptor(f"{_OCI}.config.v1+json"),
        "layers": [descriptor(f"{_OCI}.layer.v1.tar+gzip"), descriptor(f"{_OCI}.layer.v1.tar")], "annotations": {},
    }  # fmt: skip


def test_the_command_line_has_the_same_profiles() -> None:
    assert layout_output_flags.PROFILES == PROFILES


@pytest.mark.parametrize("profile", PROFILES)
def test_what_suits_both(profile: str) -> None:
    assert list(layout_file_problems(profile, {"imageLayoutVersion": "1.0.0"})) == []
    assert list(index_problems(profile, index())) == []
    assert list(manifest_problems(profile, manifest())) == []
    assert list(config_problems(profile, {"rootfs": {"type": "layers", "diff_ids": ["a", "b"]}}, 2)) == []


def test_an_unknown_field_in_oci_layout() -> None:
    document = {"imageLayoutVersion": "1.0.0", "more": 1}
    assert list(layout_file_problems("docker-library", document)) == ["oci-layout has the field 'more'"]
    assert list(layout_file_problems("umoci", document)) == []


def _entry(change: Change) -> Change:
    return lambda document: change(document["manifests"][0])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.pop("mediaType"), "mediaType is not stated"),
        (lambda d: d.update(more=1), "index.json has the field 'more'"),
        (lambda d: d.update(artifactType="x"), "index.json has the field 'artifactType'"),
        (lambda d: d.update(manifests=[]), "there are 0 images: want exactly one"),
        (lambda d: d["manifests"].append(d["manifests"][0]), "there are 2 images"),
        (_entry(lambda e: e.update(mediaType=f"{_OCI}.index.v1+json")), "manifests[0].mediaType is"),
        (_entry(lambda e: e.update(mediaType="application/vnd.docker.distribution.manifest.v2+json")), "docker"),
        (_entry(lambda e: e.update(mediaType=[])), "manifests[0].mediaType is"),
        (_entry(lambda e: e.update(size=2)), "manifests[0].size is 2: want 3 to 4194304"),
        (_entry(lambda e: e.update(size=4 * 1024 * 1024 + 1)), "manifests[0].size"),
        (_entry(lambda e: e.update(urls=["https://x"])), "manifests[0].urls is not empty"),
        (_entry(lambda e: e.update(artifactType="x")), "manifests[0] has the field 'artifactType'"),
        (_entry(lambda e: e.update(digest="blake3:x")), "manifests[0].digest is 'blake3:x': want sha256 or sha512"),
        (_entry(lambda e: e["platform"].update(os="")), "manifests[0].platform.os is empty"),
        (_entry(lambda e: e["platform"].update(variant="")), "manifests[0].platform.variant is empty"),
        (_entry(lambda e: e["platform"].update(features=[])), "manifests[0].platform has the field 'features'"),
        (_entry(lambda e: e["annotations"].update({"vnd.docker.reference.type": "x"})), "is an attestation"),
    ],
)
def test_an_index_that_docker_library_refuses(change: Change, problem: str) -> None:
    document = index()
    change(document)
    found = list(index_problems("docker-library", document))
    assert len(found) == 1, found
    assert problem in found[0]


def _config(**more: object) -> Change:
    return lambda document: document["config"].update(more)


def _layer(**more: object) -> Change:
    return lambda document: document["layers"][1].update(more)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.pop("mediaType"), "mediaType is None"),
        (lambda d: d.update(mediaType="application/vnd.docker.distribution.manifest.v2+json"), "mediaType is"),
        (lambda d: d.update(artifactType="x"), "the manifest has the field 'artifactType'"),
        (_config(mediaType="application/vnd.docker.container.image.v1+json"), "config.mediaType is"),
        (_config(size=1), "config.size is 1: want 2 or more"),
        (_layer(mediaType=f"{_OCI}.layer.v1.tar+zstd"), "layers[1].mediaType is"),
        (_layer(mediaType=f"{_OCI}.layer.nondistributable.v1.tar"), "layers[1].mediaType is"),
        (_layer(urls=["https://x"]), "layers[1].urls is not empty"),
        (_layer(artifactType="x"), "layers[1] has the field 'artifactType'"),
        (_layer(digest="sha384:x"), "layers[1].digest"),
    ],
)
def test_a_manifest_that_docker_library_refuses(change: Change, problem: str) -> None:
    document = manifest()
    change(document)
    found = list(manifest_problems("docker-library", document))
    assert len(found) == 1, found
    assert problem in found[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["manifests"].append(d["manifests"][0]), "2 images are named 'app:1': the name is ambiguous"),
        (_entry(lambda e: e.pop("annotations")), "no image has a name"),
        (_entry(lambda e: e["annotations"].update({"org.opencontainers.image.ref.name": "a b"})), "'a b' is no valid name"),
        (_entry(lambda e: e.update(digest=f"sha512:{'a' * 128}")), "manifests[0].digest is 'sha512:"),
    ],
)
def test_an_index_that_umoci_refuses(change: Change, problem: str) -> None:
    document = index()
    change(document)
    found = list(index_problems("umoci", document))
    assert len(found) == 1, found
    assert problem in found[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.update(mediaType="application/vnd.docker.distribution.manifest.v2+json"), "mediaType is"),
        (_config(mediaType="application/vnd.docker.container.image.v1+json"), "config.mediaType is"),
        (_layer(mediaType="application/vnd.docker.image.rootfs.diff.tar.gzip"), "layers[1].mediaType is"),
        (_layer(digest=f"sha512:{'a' * 128}"), "layers[1].digest is"),
    ],
)
def test_a_manifest_that_umoci_refuses(change: Change, problem: str) -> None:
    document = manifest()
    change(document)
    found = list(manifest_problems("umoci", document))
    assert len(found) == 1, found
    assert problem in found[0]


def test_what_umoci_takes_and_docker_library_does_not() -> None:
    document = manifest()
    document.pop("mediaType")
    document["layers"] = [descriptor(f"{_OCI}.layer.v1.tar+zstd"), descriptor(f"{_OCI}.layer.nondistributable.v1.tar+gzip")]
    assert list(manifest_problems("umoci", document)) == []
    assert len(list(manifest_problems("docker-library", document))) == 3


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "rootfs.type is None"), ({"rootfs": {"type": "x", "diff_ids": ["a"]}}, "rootfs.type is 'x'"),
        ({"rootfs": {"type": "layers", "diff_ids": []}}, "fewer digests than there are layers, 1"),
        ({"rootfs": {"type": "layers"}}, "fewer digests"),
    ],
)  # fmt: skip
def test_a_configuration_that_umoci_refuses(config: dict[str, Any], problem: str) -> None:
    found = list(config_problems("umoci", config, 1))
    assert any(problem in one for one in found), found
    assert list(config_problems("docker-library", config, 1)) == []
