"""Single blobs and manifests, and layouts that are put together, beside real registries and skopeo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_layout
from tests.support.peers import Registry
from tests.support.trees import tree

IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("top"))))


def here(*words: object) -> Done:
    return succeed(pyskopeo_here(words[0], words[1], "--tls-verify=false", *words[2:]))


@pytest.mark.peer("docker-registry", "skopeo")
def test_an_image_is_pushed_and_pulled_piece_by_piece(registry: Registry, tmp_path: Path) -> None:
    """As a build tool does it; what is in the registry then is an image for skopeo."""
    name = f"{registry.host}/pieces/app"
    (tmp_path / "manifest.json").write_bytes(IMAGE.root.raw)
    for digest, content in IMAGE.blobs.items():
        (tmp_path / "blob").write_bytes(content)
        assert here("blob", "put", name, tmp_path / "blob").stdout.decode() == f"{digest}\n"
    assert here("manifest", "put", f"{name}:v1", tmp_path / "manifest.json").stdout.decode() == f"{IMAGE.digest}\n"
    succeed(skopeo("copy", "--src-tls-verify=false", f"docker://{name}:v1", f"oci:{tmp_path}/skopeo:v1"))
    here("manifest", "get", f"{name}@{IMAGE.digest}", "--output", tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == IMAGE.root.raw
    names = [f"{name}@{digest}" for digest in IMAGE.blobs]
    here("blob", "get", *names, "--output", f"{tmp_path}/pieces/")
    words = ("--root", tmp_path / "again.json", "--from", tmp_path / "pieces", "--out", f"oci:{tmp_path}/ours:v1")
    succeed(pyskopeo_here("layout", "assemble", *words))
    assert tree(tmp_path / "ours" / "blobs") == tree(tmp_path / "skopeo" / "blobs")
    succeed(skopeo("copy", f"oci:{tmp_path}/ours:v1", f"dir:{tmp_path}/dir"))


@pytest.mark.peer("docker-registry", "skopeo")
@pytest.mark.parametrize("program", ["skopeo", "pyskopeo"])
def test_a_layout_without_layers_is_pushed_where_the_layers_are(program: str, registry: Registry, tmp_path: Path) -> None:
    """Ours by skopeo, and by us, which does what skopeo does with such a layout."""
    registry.push(IMAGE, f"sparse/{program}", "v1")
    source = registry.name(f"sparse/{program}", "v1")
    succeed(pyskopeo_here("copy", "-q", "--layers=none", "--src-tls-verify=false", source, f"oci:{tmp_path}/lay:v1"))
    run = skopeo if program == "skopeo" else pyskopeo_here
    succeed(run("copy", "--dest-tls-verify=false", f"oci:{tmp_path}/lay:v1", registry.name(f"sparse/{program}", "v2")))
    copied = registry.name(f"sparse/{program}", "v2")
    succeed(skopeo("copy", "--src-tls-verify=false", copied, f"oci:{tmp_path}/whole:v1"))
    assert (tmp_path / "whole" / "blobs" / "sha256" / IMAGE.digest[7:]).read_bytes() == IMAGE.root.raw


@pytest.mark.peer("docker-registry")
def test_layers_are_mounted_from_the_recorded_repository(registry: Registry, tmp_path: Path) -> None:
    registry.push(IMAGE, "recorded/from", "v1")
    succeed(pyskopeo_here(
        "copy", "-q", "--layers=none", "--src-tls-verify=false", registry.name("recorded/from", "v1"), f"oci:{tmp_path}/lay:v1",
    ))  # fmt: skip
    succeed(pyskopeo_here("copy", "-q", "--dest-tls-verify=false", f"oci:{tmp_path}/lay:v1", registry.name("recorded/to", "v1")))
    succeed(pyskopeo_here("verify", "--deep", "--tls-verify=false", registry.name("recorded/to", "v1")))


@pytest.mark.peer("docker-registry", "skopeo")
def test_a_completed_layout_is_one_for_skopeo(registry: Registry, tmp_path: Path) -> None:
    registry.push(IMAGE, "complete/app", "v1")
    source = registry.name("complete/app", "v1")
    succeed(pyskopeo_here("copy", "-q", "--layers=none", "--src-tls-verify=false", source, f"oci:{tmp_path}/lay:v1"))
    here("layout", "complete", f"oci:{tmp_path}/lay")
    assert json.loads(succeed(skopeo("inspect", f"oci:{tmp_path}/lay:v1")).stdout)["Digest"] == IMAGE.digest
    succeed(skopeo("copy", f"oci:{tmp_path}/lay:v1", f"dir:{tmp_path}/dir"))


@pytest.mark.peer("skopeo")
def test_a_merged_layout_is_one_for_skopeo(tmp_path: Path) -> None:
    """Two layouts, of which each lacks what the other has."""
    one, two = (write_layout(IMAGE, tmp_path / name, tag="v1") for name in ("one", "two"))
    base, top = IMAGE.layer_digests()
    blob_path(one, base).unlink()
    blob_path(two, top).unlink()
    assert skopeo("copy", f"oci:{one}:v1", f"dir:{tmp_path}/dir").code != 0
    succeed(pyskopeo_here("layout", "merge", f"oci:{one}", f"oci:{two}", "--out", f"oci:{tmp_path}/both"))
    succeed(skopeo("copy", f"oci:{tmp_path}/both:v1", f"dir:{tmp_path}/dir"))
