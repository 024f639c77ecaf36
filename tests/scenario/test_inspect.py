"""``inspect`` of what skopeo does not show: lists whole, artifacts; and of schema 1, which it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import ArtifactSpec, BuiltImage, build
from tests.support.outputs import write_layout


def inspected(*words: str) -> Any:
    return json.loads(succeed(pyskopeo_here("inspect", *words)).stdout)


def in_layout(image: BuiltImage, tmp_path: Path) -> str:
    return f"oci:{write_layout(image, tmp_path / 'layout')}:latest"


@pytest.mark.parametrize("kind", ["oci-index-attested", "docker-list", "oci-index"])
def test_platforms(kind: str, tmp_path: Path) -> None:
    image = build(kind)
    found = inspected("--platforms", in_layout(image, tmp_path))
    document = json.loads(image.root.raw)
    assert (found["Digest"], found["MIMEType"]) == (image.digest, document["mediaType"])
    assert [entry["Digest"] for entry in found["Platforms"]] == [entry["digest"] for entry in document["manifests"]]
    for entry, shown in zip(document["manifests"], found["Platforms"], strict=True):
        parts = [entry["platform"].get(part) for part in ("os", "architecture", "variant")]
        assert shown["Platform"] == "/".join(filter(None, parts))
        child = json.loads(image.manifests[entry["digest"]].raw)
        sizes = {blob["digest"]: blob["size"] for blob in (child["config"], *child["layers"])}
        assert (shown["Size"], shown["Layers"]) == (sum(sizes.values()), len(child["layers"]))


def test_platforms_of_indexes_in_indexes(tmp_path: Path) -> None:
    image = build("nested-index")
    template = "{{range .Platforms}}{{.Digest}} {{end}}"
    shown = succeed(pyskopeo_here("inspect", "--platforms", "--format", template, in_layout(image, tmp_path))).stdout
    leaves = {digest for digest, manifest in image.manifests.items() if b'"layers"' in manifest.raw}
    assert set(shown.decode().split()) == leaves


def test_the_platform_of_an_image_alone_is_in_its_configuration(tmp_path: Path) -> None:
    (shown,) = inspected("--platforms", in_layout(build("oci"), tmp_path))["Platforms"]
    assert (shown["Platform"], shown["Digest"]) == ("linux/amd64", build("oci").digest)


@pytest.mark.parametrize("flag", ["--raw", "--config"])
def test_platforms_goes_alone(flag: str, tmp_path: Path) -> None:
    done = pyskopeo_here("inspect", "--platforms", flag, in_layout(build("oci"), tmp_path))
    assert (done.code, done.stdout) == (1, b"")
    assert "--platforms lists images" in done.stderr


def test_an_artifact(tmp_path: Path) -> None:
    image = build(ArtifactSpec())
    document = json.loads(image.root.raw)
    found = inspected(in_layout(image, tmp_path))
    assert found["ArtifactType"] == document["artifactType"]
    assert found["Config"]["Digest"] == document["config"]["digest"]
    assert found["Layers"] == [layer["digest"] for layer in document["layers"]]
    assert [layer["Size"] for layer in found["LayersData"]] == [layer["size"] for layer in document["layers"]]
    text = succeed(pyskopeo_here("inspect", "--format", "{{.ArtifactType}}", in_layout(image, tmp_path))).stdout
    assert text.decode() == document["artifactType"] + "\n"


def test_schema_1_says_what_it_knows(tmp_path: Path) -> None:
    source = in_layout(build("docker"), tmp_path)
    succeed(pyskopeo_here("copy", "--format", "v2s1", source, f"dir:{tmp_path}/old"))
    old, new = inspected(f"dir:{tmp_path}/old"), inspected(source)
    for field in ("Created", "DockerVersion", "Labels", "Architecture", "Os", "Env"):
        assert old[field] == new[field], field
    assert {layer["Size"] for layer in old["LayersData"]} == {-1}
    config = inspected("--config", f"dir:{tmp_path}/old")
    assert set(config["rootfs"]["diff_ids"]) == {""}
    assert succeed(pyskopeo_here("inspect", "--config", "--raw", f"dir:{tmp_path}/old")).stdout == b""
