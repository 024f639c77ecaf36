"""``copy --receipt``: what was asked for and got, and where each blob came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.faults import Refuse
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator

LAYERS = (LayerSpec("base", base=True), LayerSpec("data", size=3000))
IMAGE = build(ImageSpec("docker", layers=LAYERS))
INDEX = build(IndexSpec((ImageSpec(layers=LAYERS), ImageSpec(layers=LAYERS[:1], platform=PlatformSpec("arm64")))))


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(INDEX) as running:
        running.add(IMAGE, "test/docker", "1")
        yield running


def copy(folder: Path, *words: object) -> dict[str, Any]:
    succeed(pyskopeo_here("copy", "--src-tls-verify=false", "--receipt", folder / "receipt.json", *words))
    found: dict[str, Any] = json.loads((folder / "receipt.json").read_bytes())
    return found


def test_an_index(registry: Simulator, tmp_path: Path) -> None:
    found = copy(tmp_path, "--all", registry.name(), f"oci:{tmp_path}/out")
    assert (found["receiptVersion"], found["requested"], found["digest"]) == (1, registry.name(), INDEX.digest)
    assert found["manifests"][0]["digest"] == INDEX.digest
    assert {one["digest"]: one["size"] for one in found["manifests"]} == {digest: len(one.raw) for digest, one in INDEX.manifests.items()}
    assert {one["digest"]: one["size"] for one in found["blobs"]} == {digest: len(content) for digest, content in INDEX.blobs.items()}
    assert {(one["placement"], one["source"]) for one in found["blobs"]} == {("written", f"{registry.host}/test/image")}
    first = (tmp_path / "receipt.json").read_bytes()
    assert copy(tmp_path, "--all", registry.name(), f"oci:{tmp_path}/other") == found
    assert (tmp_path / "receipt.json").read_bytes() == first
    again = copy(tmp_path, "--all", registry.name(), f"oci:{tmp_path}/out")
    assert {(one["placement"], one["source"]) for one in again["blobs"]} == {("present", "")}


def test_the_mirror_that_has_sent_a_blob(registry: Simulator, tmp_path: Path) -> None:
    layer = INDEX.layer_digests(INDEX.child(0).digest)[1]
    with Simulator(INDEX, "mirror/image") as mirror:
        mirror.on_blob(layer, Refuse(404))
        conf = tmp_path / "registries.conf"
        conf.write_text(f'[[registry]]\nlocation = "{registry.host}/test"\n[[registry.mirror]]\nlocation = "{mirror.host}/mirror"\ninsecure = true\n')
        found = copy(tmp_path, "--registries-conf", conf, "--platform", "linux/amd64", registry.name(), f"oci:{tmp_path}/out")
        sources = {one["digest"]: one["source"] for one in found["blobs"]}
        assert sources.pop(layer) == f"{registry.host}/test/image"
        assert set(sources.values()) == {f"{mirror.host}/mirror/image"}


def test_from_a_layout_and_from_the_store(registry: Simulator, tmp_path: Path) -> None:
    write_layout(INDEX, tmp_path / "layout", tag="x")
    source = f"oci:{tmp_path}/layout:x"
    found = copy(tmp_path, "--all", source, f"oci:{tmp_path}/out")
    assert {one["source"] for one in found["blobs"]} == {source}
    pinned = f"docker://{registry.host}/test/image@{INDEX.digest}"
    copy(tmp_path, "--store", tmp_path / "store", "--all", pinned, f"oci:{tmp_path}/one")
    found = copy(tmp_path, "--store", tmp_path / "store", "--all", pinned, f"oci:{tmp_path}/two")
    assert {(one["placement"], one["source"]) for one in found["blobs"]} == {("linked", "store")}


def test_what_is_converted_on_the_way(registry: Simulator, tmp_path: Path) -> None:
    """Digests are those at the destination; what the copy has made has no source."""
    name = f"{registry.host}/test/docker"
    found = copy(tmp_path, "--dest-compress-format", "zstd", f"docker://{name}:1", f"oci:{tmp_path}/out")
    (manifest,) = found["manifests"]
    assert manifest["digest"] == found["digest"] != IMAGE.digest
    layers = [one for one in found["blobs"] if one["mediaType"].endswith("zstd")]
    assert [(one["placement"], one["source"]) for one in layers] == [("written", name)] * 2
    assert not {one["digest"] for one in layers} & set(IMAGE.blobs)
    for one in found["blobs"]:
        assert (tmp_path / "out" / "blobs" / one["digest"].replace(":", "/")).stat().st_size == one["size"]
    (config,) = [one for one in found["blobs"] if one not in layers]
    assert config["source"] == ""


def test_where_none_is_written(registry: Simulator, tmp_path: Path) -> None:
    words = ("copy", "--src-tls-verify=false", registry.name(), f"oci:{tmp_path}/out", "--receipt")
    asked = len(registry.requests)
    assert "receipt" in fatal(pyskopeo_here(*words, tmp_path / "no" / "x"))
    assert registry.log[asked:] == []
    succeed(pyskopeo_here(*words, tmp_path / "receipt", "--dry-run"))
    assert not (tmp_path / "receipt").exists()
