"""``delete`` of images in layouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_layout

ONE, TWO = (build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec(name)))) for name in ("one", "two"))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    write_layout(ONE, tmp_path / "lay", tag="one")
    return write_layout(TWO, tmp_path / "lay", tag="two")


def names(layout: Path) -> list[str]:
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    return [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries]


def delete(*words: object) -> Done:
    return pyskopeo_here("delete", *words)


def test_an_image_and_what_only_it_needs(layout: Path, tmp_path: Path) -> None:
    assert succeed(delete(f"oci:{layout}:one")).stdout == b""
    assert names(layout) == ["two"]
    left = {f"sha256:{path.name}" for path in (layout / "blobs" / "sha256").iterdir()}
    assert left == {*TWO.blobs, *TWO.manifests}
    succeed(pyskopeo_here("copy", f"oci:{layout}:two", f"dir:{tmp_path / 'copied'}"))


def test_what_is_not_there(layout: Path, tmp_path: Path) -> None:
    assert 'no descriptor found for reference "none"; there are: one, two' in fatal(delete(f"oci:{layout}:none"), 2)
    assert "index 7 is too large, only 2 entries available" in fatal(delete(f"oci:{layout}:@7"))
    assert "more than one image in oci, choose an image: one, two" in fatal(delete(f"oci:{layout}"))
    assert "no such file or directory" in fatal(delete(f"oci:{tmp_path / 'nothing'}:one"))
    assert names(layout) == ["one", "two"]


def test_blobs_that_layouts_share_stay(layout: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for name in ("one", "two"):
        succeed(pyskopeo_here(
            "copy", "--dest-shared-blob-dir", shared, f"oci:{layout}:{name}", f"oci:{tmp_path / 'lean'}:{name}"
        ))  # fmt: skip
    before = sorted(path.name for path in (shared / "sha256").iterdir())
    succeed(delete("--shared-blob-dir", shared, f"oci:{tmp_path / 'lean'}:one"))
    assert names(tmp_path / "lean") == ["two"]
    assert sorted(path.name for path in (shared / "sha256").iterdir()) == before


def test_a_tag_alone_is_for_registries(layout: Path) -> None:
    assert "a tag alone can be deleted in registries only" in fatal(delete("--tag-only", f"oci:{layout}:one"))
    assert names(layout) == ["one", "two"]
