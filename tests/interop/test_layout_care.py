"""Layouts of other tools are whole for us; what we have repaired and cleaned up is whole for them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import KINDS, ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_dir, write_layout
from tests.support.peers import Dockerd, Registry
from tests.support.require import require_peer
from tests.support.trees import tree

LAYERS = (LayerSpec("base", base=True), LayerSpec("second"))
IMAGE, OTHER = build(ImageSpec(layers=LAYERS)), build(ImageSpec(layers=(*LAYERS, LayerSpec("third"))))


def umoci(*words: object) -> str:
    done = subprocess.run([require_peer("umoci"), *map(str, words)], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def verified(layout: Path, *words: str) -> dict[str, Any]:
    """The report of a layout that must be whole."""
    found: dict[str, Any] = json.loads(succeed(pyskopeo_here("layout", "verify", "--deep", "--json", *words, f"oci:{layout}")).stdout)
    return found


def blobs(layout: Path) -> set[str]:
    return {path.name for path in (layout / "blobs" / "sha256").iterdir()}


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("kind", ["oci", "docker", "oci-index-attested", "oci-zstd", "artifact", "oci-no-layers"])
def test_what_skopeo_writes_is_whole(kind: str, tmp_path: Path) -> None:
    assert kind in KINDS
    source = write_dir(build(kind), tmp_path / "source")
    succeed(skopeo("copy", "--all", f"dir:{source}", f"oci:{tmp_path / 'lay'}:v1"))
    report = verified(tmp_path / "lay")
    assert report["unneeded"] == []
    succeed(pyskopeo_here("verify", "--deep", f"oci:{tmp_path / 'lay'}:v1"))
    before = tree(tmp_path / "lay")
    succeed(pyskopeo_here("layout", "gc", f"oci:{tmp_path / 'lay'}"))
    assert tree(tmp_path / "lay") == before


@pytest.mark.peer("skopeo")
def test_archives_that_skopeo_writes_are_whole(tmp_path: Path) -> None:
    source = write_dir(IMAGE, tmp_path / "source")
    for name in (f"oci-archive:{tmp_path}/a.tar", f"docker-archive:{tmp_path}/b.tar:a/b:v1", f"dir:{tmp_path}/files"):
        succeed(skopeo("copy", f"dir:{source}", name))
        assert json.loads(succeed(pyskopeo_here("verify", "--deep", "--json", name)).stdout)["unneeded"] == []


@pytest.mark.peer("skopeo")
def test_an_image_that_lost_its_name_to_another_is_no_garbage(tmp_path: Path) -> None:
    """skopeo keeps it in the index, without its name."""
    for number, image in enumerate((IMAGE, OTHER)):
        source = write_dir(image, tmp_path / f"source{number}")
        succeed(skopeo("copy", f"dir:{source}", f"oci:{tmp_path / 'lay'}:v1"))
    before = tree(tmp_path / "lay")
    succeed(pyskopeo_here("layout", "gc", f"oci:{tmp_path / 'lay'}"))
    assert tree(tmp_path / "lay") == before
    entries = json.loads(succeed(pyskopeo_here("layout", "ls", "--json", f"oci:{tmp_path / 'lay'}")).stdout)["entries"]
    assert sorted(entry["name"] for entry in entries) == ["", "v1"]


@pytest.mark.peer("skopeo", "docker-registry")
def test_skopeo_reads_a_layout_that_was_repaired_and_cleaned_up(registry: Registry, tmp_path: Path) -> None:
    registry.push(OTHER, "layout-care")
    name = registry.name("layout-care")
    layout = write_layout(IMAGE, tmp_path / "lay", tag="old")
    write_layout(OTHER, layout, tag="new")
    succeed(pyskopeo_here("delete", f"oci:{layout}:old"))
    for digest in (OTHER.digest, OTHER.config_digest(), OTHER.layer_digests()[0]):
        blob_path(layout, digest).write_bytes(b"damaged")
    (layout / "oci-layout").unlink()
    blob_path(layout, IMAGE.digest).write_bytes(IMAGE.root.raw)
    assert skopeo("copy", f"oci:{layout}:new", f"dir:{tmp_path}/broken").code != 0
    succeed(pyskopeo_here("layout", "repair", "--tls-verify=false", "--from", name, f"oci:{layout}"))
    succeed(pyskopeo_here("layout", "gc", f"oci:{layout}"))
    assert blobs(layout) == {digest[7:] for digest in (*OTHER.blobs, *OTHER.manifests)}
    succeed(skopeo("copy", f"oci:{layout}:new", f"dir:{tmp_path}/whole"))
    succeed(pyskopeo_here("verify", "--tls-verify=false", "--deep", name))


def unpacked(layout: Path, tmp_path: Path) -> Path:
    umoci("unpack", "--rootless", "--image", f"{layout}:v1", tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.mark.peer("umoci")
def test_what_umoci_makes_is_whole(tmp_path: Path) -> None:
    umoci("init", "--layout", tmp_path / "lay")
    umoci("new", "--image", f"{tmp_path / 'lay'}:v1")
    (tmp_path / "file").write_text("content")
    umoci("insert", "--rootless", "--image", f"{tmp_path / 'lay'}:v1", tmp_path / "file", "/file")
    umoci("tag", "--image", f"{tmp_path / 'lay'}:v1", "v2")
    umoci("config", "--image", f"{tmp_path / 'lay'}:v2", "--config.label", "a=b")
    verified(tmp_path / "lay")
    before = umoci("ls", "--layout", tmp_path / "lay")
    mine, theirs = tmp_path / "lay", Path(shutil.copytree(tmp_path / "lay", tmp_path / "theirs"))
    umoci("gc", "--layout", theirs)
    succeed(pyskopeo_here("layout", "gc", f"oci:{mine}"))
    assert blobs(mine) == blobs(theirs)
    assert umoci("ls", "--layout", mine) == before
    unpacked(mine, tmp_path)


@pytest.mark.peer("umoci")
@pytest.mark.parametrize("removed", ["v1", "other"])
def test_the_same_garbage_as_for_umoci(removed: str, tmp_path: Path) -> None:
    layout = write_layout(IMAGE, tmp_path / "lay", tag="v1")
    write_layout(OTHER, layout, tag="other")
    bundle = unpacked(layout, tmp_path)
    (bundle / "rootfs" / "added").write_text("by hand")
    umoci("repack", "--image", f"{layout}:repacked", bundle)
    for name in (removed, "repacked"):
        umoci("rm", "--image", f"{layout}:{name}")
    theirs = Path(shutil.copytree(layout, tmp_path / "theirs"))
    umoci("gc", "--layout", theirs)
    listed = json.loads(succeed(pyskopeo_here("layout", "gc", "--dry-run", "--json", f"oci:{layout}")).stdout)
    assert {file["path"].rpartition("/")[2] for file in listed["removed"]} == blobs(layout) - blobs(theirs) != set()
    succeed(pyskopeo_here("layout", "gc", f"oci:{layout}"))
    assert blobs(layout) == blobs(theirs)
    assert verified(layout)["unneeded"] == []


@pytest.mark.peer("umoci")
def test_umoci_works_on_a_repaired_layout(tmp_path: Path) -> None:
    layout = write_layout(OTHER, tmp_path / "lay", tag="v1")
    good = Path(shutil.copytree(layout, tmp_path / "good"))
    for path in (layout / "blobs" / "sha256").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    succeed(pyskopeo_here("layout", "repair", "--from", f"oci:{good}", f"oci:{layout}"))
    unpacked(layout, tmp_path)


def link_files(layout: Path, store: Path) -> None:
    """As rules_oci for Bazel: every file a symbolic link into another directory."""
    layout.rename(store)
    for path in sorted(store.rglob("*")):
        place = layout / path.relative_to(store)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)


def copied_by_skopeo(layout: Path, _: Path) -> None:
    """As it is."""


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("change", [copied_by_skopeo, link_files])
def test_a_damaged_layout_is_refused_by_both(change: Callable[[Path, Path], None], tmp_path: Path) -> None:
    layout = write_layout(IMAGE, tmp_path / "lay", tag="v1")
    change(layout, tmp_path / "store")
    verified(layout)
    victim = blob_path(layout, IMAGE.layer_digests()[1])
    content = bytearray(victim.read_bytes())
    content[50] ^= 1
    victim.write_bytes(content)
    done: Done = pyskopeo_here("layout", "verify", f"oci:{layout}")
    assert done.code == 1
    assert [fault["kind"] for fault in json.loads(done.stdout)["faults"]] == ["digest"]
    assert skopeo("copy", f"oci:{layout}:v1", f"dir:{tmp_path / 'out'}").code == 1


def test_what_docker_holds_and_saves_is_whole(dockerd: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", dockerd.address)
    for image, name in ((IMAGE, "care/one:v1"), (OTHER, "care/two:v1")):
        source = write_dir(image, tmp_path / name.partition(":")[0])
        succeed(pyskopeo_here("copy", f"dir:{source}", f"docker-daemon:{name}"))
        report = json.loads(succeed(pyskopeo_here("verify", "--deep", "--json", f"docker-daemon:{name}")).stdout)
        assert (report["images"], report["blobs"]) == (1, len(image.layer_digests()) + 1)
    dockerd.docker("save", "-o", str(tmp_path / "saved.tar"), "care/one:v1", "care/two:v1")
    report = json.loads(succeed(pyskopeo_here("verify", "--deep", "--json", f"docker-archive:{tmp_path}/saved.tar")).stdout)
    assert report["images"] == 2
