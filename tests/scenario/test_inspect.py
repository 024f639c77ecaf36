"""``inspect`` of what skopeo does not show: lists whole, artifacts; and of schema 1, which it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.gocompat.template import Field, Struct, render
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.faults import Body, Refuse, SetHeaders
from tests.support.images import ArtifactSpec, BuiltImage, ImageSpec, PlatformSpec, build, digest_of
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator


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


def test_the_configuration_of_an_artifact_as_it_is(tmp_path: Path) -> None:
    name = in_layout(build(ArtifactSpec()), tmp_path)
    assert succeed(pyskopeo_here("inspect", "--config", "--raw", name)).stdout == b"{}"
    done = pyskopeo_here("inspect", "--config", name)
    assert done.code == 1
    assert f'unsupported image-specific operation on artifact with type \\"{ArtifactSpec().artifact_type}\\"' in done.stderr


@pytest.mark.parametrize("kind", ["oci", "oci-sha512", "docker-list", "artifact"])
def test_the_algorithm_of_the_manifests_digest(kind: str, tmp_path: Path) -> None:
    image = build(kind)
    name = in_layout(image, tmp_path)
    for algorithm in ("sha256", "sha512"):
        assert inspected("--manifest-digest", algorithm, name)["Digest"] == digest_of(image.root.raw, algorithm)
    assert inspected(name)["Digest"] == image.digest  # of the algorithm of the configuration's digest
    done = pyskopeo_here("inspect", "--manifest-digest=md5", name)
    assert done.code == 1
    assert "want one of sha256, sha512" in done.stderr


def test_fields_of_the_embedded_platform(tmp_path: Path) -> None:
    name = in_layout(build(ImageSpec(platform=PlatformSpec("arm64", variant="v8"))), tmp_path)

    def shown(template: str) -> str:
        return succeed(pyskopeo_here("inspect", "--config", "--format", template, name)).stdout.decode()

    assert shown("{{.Platform.OS}}/{{.Platform.Architecture}} {{.OS}} {{.Variant}}") == "linux/arm64 linux v8\n"
    assert shown("{{.Platform}}") == "{arm64 linux  [] v8}\n"
    assert " {arm64 linux  [] v8} {" in shown("{{.}}")


def test_sets_of_empty_structs() -> None:
    found = Struct("x", {"Ports": Field({"80/tcp": {}, "443/tcp": {}}, "map[string]struct {}")})
    assert render("{{.Ports}}", found) == "map[443/tcp:{} 80/tcp:{}]\n"
    assert render("{{json .Ports}}", found) == '{"443/tcp":{},"80/tcp":{}}\n'
    assert render('{{printf "%#v" .Ports}}', found) == (
        'map[string]struct {}{"443/tcp":struct {}{}, "80/tcp":struct {}{}}\n'
    )


def test_a_field_that_does_not_exist(tmp_path: Path) -> None:
    name = in_layout(build("oci"), tmp_path)
    for words, fields in (
        ((), "Name, Tag, Digest, RepoTags, Created, DockerVersion, Labels, Architecture, Os, Layers, LayersData, Env"),
        (("--config",), "Created, Author, Architecture, OS, OSVersion, OSFeatures, Variant, Config, RootFS, History"),
    ):
        done = pyskopeo_here("inspect", *words, "-f", "{{.Foo}}", name)
        assert done.code == 1
        assert "can't evaluate field Foo in type " in done.stderr
        assert done.stderr.rstrip().endswith(f'; its fields are {fields}"')


class TestTagsThatCannotBeListed:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 429, 500, 501, 503])
    def test_a_refusal_is_a_warning(self, status: int) -> None:
        with Simulator(build("oci"), "a/b", "v1") as registry:
            registry.on("*/tags/list", Refuse(status))
            done = self.inspect(registry)
        assert json.loads(succeed(done).stdout)["RepoTags"] == []
        assert "level=warning" in done.stderr
        assert "skipping" in done.stderr
        assert (str(status) in done.stderr) == (status not in {401, 403, 404})

    @pytest.mark.parametrize("body", [b"", b"<html>", b'{"tags": 7}'])
    def test_a_list_that_cannot_be_read_is_a_warning(self, body: bytes) -> None:
        with Simulator(build("oci"), "a/b", "v1") as registry:
            registry.on("*/tags/list", Body(body))
            done = self.inspect(registry)
        assert json.loads(succeed(done).stdout)["RepoTags"] == []
        assert "Error determining repository tags: " in done.stderr

    def test_a_page_elsewhere_is_an_error(self) -> None:
        with Simulator(build("oci"), "a/b", "v1") as registry:
            registry.on("*/tags/list", SetHeaders({"Link": "<http://evil.example/x>; rel=next"}))
            assert self.inspect(registry).code == 1

    @staticmethod
    def inspect(registry: Simulator) -> Done:
        return pyskopeo_here("inspect", "--tls-verify=false", "--retry-times=0", f"docker://{registry.host}/a/b:v1")
