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


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What is in a folder, and when each file was changed."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_prints_what_would_go_and_changes_nothing(layout: Path) -> None:
    (layout / "oci-layout").unlink()  # which every write adds
    before = snapshot(layout)
    said = succeed(delete("--dry-run", f"oci:{layout}:one")).stdout.decode().splitlines()
    gone = {*ONE.blobs, *ONE.manifests} - {*TWO.blobs, *TWO.manifests}
    assert said[0].startswith(f"Would delete oci:{layout}:one, {ONE.digest}, and {len(gone)} blobs that nothing else needs")
    assert [line.partition(" ")[0] for line in said[1:]] == sorted(gone)
    assert snapshot(layout) == before
    done = succeed(delete(f"oci:{layout}:one"))
    assert done.stdout == b""
    assert f"Deleted oci:{layout}:one, {ONE.digest}, and {len(gone)} blobs" in done.stderr
    assert set(before) - set(snapshot(layout)) == {str(layout / "blobs" / "sha256" / digest[7:]) for digest in gone}


def test_a_dry_run_fails_where_the_deletion_would(layout: Path, tmp_path: Path) -> None:
    assert "no descriptor found" in fatal(delete("--dry-run", f"oci:{layout}:none"), 2)
    assert "no such file or directory" in fatal(delete("--dry-run", f"oci:{tmp_path / 'nothing'}:one"))
    assert "Deleting images not implemented for dir" in fatal(delete("--dry-run", f"dir:{tmp_path}"))
    assert not (tmp_path / "nothing").exists()


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
    said = succeed(delete("--dry-run", "--shared-blob-dir", shared, f"oci:{tmp_path / 'lean'}:one")).stdout.decode()
    assert said.splitlines() == [
        f"Would delete oci:{tmp_path / 'lean'}:one, {ONE.digest}, and 0 blobs that nothing else needs, 0 B"
    ]
    assert names(tmp_path / "lean") == ["one", "two"]
    succeed(delete("--shared-blob-dir", shared, f"oci:{tmp_path / 'lean'}:one"))
    assert names(tmp_path / "lean") == ["two"]
    assert sorted(path.name for path in (shared / "sha256").iterdir()) == before


def test_a_tag_alone_is_for_registries(layout: Path) -> None:
    assert "a tag alone can be deleted in registries only" in fatal(delete("--tag-only", f"oci:{layout}:one"))
    assert names(layout) == ["one", "two"]
