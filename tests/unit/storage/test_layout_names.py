"""Links with names for people: relative, right, and nothing else is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.errors import DestinationRefused, PathNotFound, Unsupported
from pyskopeo.storage.layout_names import link_names
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_layout
from tests.support.specs import PlatformSpec
from tests.support.trees import leftovers

BASE = LayerSpec("base", base=True)
ONE = build(ImageSpec(layers=(BASE,)))
TWO = build(ImageSpec(layers=(BASE, LayerSpec("two", compression="none"), LayerSpec("three", compression="zstd"))))
LIST = build(IndexSpec(tuple(ImageSpec(layers=(BASE,), platform=PlatformSpec(name)) for name in ("amd64", "arm64"))))


def links(root: Path) -> dict[str, str]:
    """Where each link leads, as text and as content."""
    found = {p.relative_to(root).as_posix(): os.readlink(p) for p in root.rglob("*") if p.is_symlink()}
    for path, target in found.items():
        assert not os.path.isabs(target)
        assert (root / path).resolve().parent == root / "blobs/sha256"
    return found


def test_an_image_of_one_layer(tmp_path: Path) -> None:
    write_layout(ONE, tmp_path)
    made = link_names(tmp_path, style="os-arch")
    assert links(tmp_path) == {
        "image-manifest.json": f"blobs/sha256/{ONE.digest[7:]}",
        "image-config.json": f"blobs/sha256/{ONE.config_digest()[7:]}",
        "rootfs.tar.gz": f"blobs/sha256/{ONE.layer_digests()[0][7:]}",
    }
    assert {path: f"blobs/sha256/{digest.hex}" for path, digest in made.items()} == links(tmp_path)
    assert (tmp_path / "rootfs.tar.gz").read_bytes() == ONE.blobs[ONE.layer_digests()[0]]
    assert not leftovers(tmp_path)


def test_an_image_of_several_layers(tmp_path: Path) -> None:
    write_layout(TWO, tmp_path)
    assert list(link_names(tmp_path, style="os-arch"))[2:] == ["layer-1.tar.gz", "layer-2.tar", "layer-3.tar.zst"]
    assert len(links(tmp_path)) == 5


def test_a_list(tmp_path: Path) -> None:
    write_layout(LIST, tmp_path)
    link_names(tmp_path, style="bashbrew")
    found = links(tmp_path)
    assert found["image-index.json"] == f"blobs/sha256/{LIST.digest[7:]}"
    assert found["arm64v8/image-manifest.json"] == f"../blobs/sha256/{LIST.child(1).digest[7:]}"
    assert sorted(os.listdir(tmp_path / "amd64")) == ["image-config.json", "image-manifest.json", "rootfs.tar.gz"]


def test_several_images_have_directories(tmp_path: Path) -> None:
    write_layout(ONE, tmp_path, tag="registry.example/app:1")
    write_layout(TWO, tmp_path, tag="../../../odd")
    link_names(tmp_path, style="os-arch")
    found = links(tmp_path)
    assert found["names/registry.example/app:1/rootfs.tar.gz"].startswith("../../../blobs/sha256/")
    assert "names/@1/layer-1.tar.gz" in found
    assert sorted(os.listdir(tmp_path)) == ["blobs", "index.json", "names", "oci-layout"]


def test_made_again_they_are_right(tmp_path: Path) -> None:
    write_layout(TWO, tmp_path)
    link_names(tmp_path, style="os-arch")
    (tmp_path / "mine.json").symlink_to("index.json")
    write_layout(ONE, tmp_path)
    link_names(tmp_path, style="os-arch")
    (tmp_path / "mine.json").unlink()
    assert sorted(links(tmp_path)) == ["image-config.json", "image-manifest.json", "rootfs.tar.gz"]
    assert (tmp_path / "image-manifest.json").read_bytes() == ONE.root.raw


def test_their_time(tmp_path: Path) -> None:
    write_layout(ONE, tmp_path)
    link_names(tmp_path, style="os-arch", time=1_700_000_000)
    assert {os.lstat(tmp_path / path).st_mtime for path in links(tmp_path)} == {1_700_000_000}


@pytest.mark.parametrize("name", ["image-config.json", "rootfs.tar.gz"])
def test_a_file_of_that_name_stays(name: str, tmp_path: Path) -> None:
    write_layout(ONE, tmp_path)
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(DestinationRefused, match="no symbolic link"):
        link_names(tmp_path, style="os-arch")
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_link_in_the_place_of_a_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    write_layout(LIST, tmp_path / "layout")
    (tmp_path / "layout/linux-amd64").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DestinationRefused, match="no directory"):
        link_names(tmp_path / "layout", style="os-arch")
    assert os.listdir(tmp_path / "elsewhere") == []


def test_blobs_of_a_shared_directory(tmp_path: Path) -> None:
    write_layout(ONE, tmp_path / "layout")
    (tmp_path / "layout/blobs").rename(tmp_path / "shared")
    link_names(tmp_path / "layout", shared=tmp_path / "shared", style="os-arch")
    assert os.readlink(tmp_path / "layout/rootfs.tar.gz").startswith("../shared/sha256/")
    assert (tmp_path / "layout/image-manifest.json").read_bytes() == ONE.root.raw


def test_without_an_image(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound):
        link_names(tmp_path, style="os-arch")
    write_layout(ONE, tmp_path)
    (tmp_path / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    with pytest.raises(Unsupported, match="no image in this layout"):
        link_names(tmp_path, style="os-arch")


def test_images_of_a_list_that_are_missing_have_none(tmp_path: Path) -> None:
    write_layout(LIST, tmp_path)
    blob_path(tmp_path, LIST.child(0).digest).unlink()
    link_names(tmp_path, style="os-arch")
    assert not (tmp_path / "linux-amd64").exists()
    assert (tmp_path / "linux-arm64/image-config.json").exists()
