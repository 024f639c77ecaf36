"""An image goes from a layout with what only it needs, and nothing else goes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo.errors import InvalidContent, NotFound, PathNotFound
from pyskopeo.storage.layout_deletion import delete_image
from pyskopeo.storage.locks import lock_directory
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_layout

pytestmark = pytest.mark.anyio
BASE = LayerSpec("base", base=True)
ONE, TWO = (build(ImageSpec(layers=(BASE, LayerSpec(name)))) for name in ("one", "two"))


def blobs(folder: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in (folder / "blobs" / "sha256").iterdir()}


def everything_of(*images: BuiltImage) -> set[str]:
    return {digest for image in images for digest in (*image.blobs, *image.manifests)}


def entries(folder: Path) -> list[str]:
    return [entry["digest"] for entry in json.loads((folder / "index.json").read_bytes())["manifests"]]


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Two images with a layer in common."""
    write_layout(ONE, tmp_path / "a", tag="one")
    return write_layout(TWO, tmp_path / "a", tag="two")


async def test_what_another_image_needs_stays(layout: Path) -> None:
    await delete_image(layout, "one")
    assert entries(layout) == [TWO.digest]
    assert blobs(layout) == everything_of(TWO)
    await delete_image(layout, "")
    assert entries(layout) == []
    assert blobs(layout) == set()
    assert (layout / "oci-layout").exists()


async def test_under_another_name_all_of_it_stays(layout: Path) -> None:
    write_layout(ONE, layout, tag="again")
    await delete_image(layout, "one")
    assert sorted(entries(layout)) == sorted([ONE.digest, TWO.digest])
    assert blobs(layout) == everything_of(ONE, TWO)


async def test_by_position(layout: Path) -> None:
    await delete_image(layout, "@1")
    assert entries(layout) == [ONE.digest]
    with pytest.raises(PathNotFound, match="index 7 is too large, only 1 entries available"):
        await delete_image(layout, "@7")


async def test_an_index_with_all_its_images(tmp_path: Path) -> None:
    image = build("nested-index")
    layout = write_layout(image, tmp_path / "a", tag="all")
    write_layout(ONE, layout, tag="one")
    (layout / "blobs" / "sha256" / "not-a-digest").write_bytes(b"x")
    await delete_image(layout, "all")
    assert blobs(layout) == everything_of(ONE) | {"sha256:not-a-digest"}


async def test_an_image_of_an_index_that_has_a_name_too(tmp_path: Path) -> None:
    image = build("oci-index")
    layout = write_layout(image, tmp_path / "a", tag="all")
    await pyskopeo.copy(f"oci:{layout}:all", f"oci:{layout}:one", selection=None)
    before = blobs(layout)
    await delete_image(layout, "one")
    assert blobs(layout) == before
    await delete_image(layout, "all")
    assert blobs(layout) == set()


async def test_what_is_not_there(layout: Path, tmp_path: Path) -> None:
    before = blobs(layout)
    with pytest.raises(NotFound, match='no descriptor found for reference "none"; there are: one, two') as caught:
        await delete_image(layout, "none")
    assert caught.value.exit_code == 2
    with pytest.raises(PathNotFound, match="more than one image in oci, choose an image: one, two"):
        await delete_image(layout, "")
    with pytest.raises(PathNotFound, match="no such file"):
        await delete_image(tmp_path / "none", "x")
    assert blobs(layout) == before
    assert not (tmp_path / "none").exists()


async def test_where_a_manifest_cannot_be_read_nothing_goes(layout: Path) -> None:
    blob_path(layout, TWO.digest).write_bytes(b"{}")
    before = blobs(layout)
    with pytest.raises(InvalidContent):
        await delete_image(layout, "one")
    assert blobs(layout) == before
    assert sorted(entries(layout)) == sorted([ONE.digest, TWO.digest])


async def test_blobs_that_are_missing_are_no_reason_to_fail(layout: Path) -> None:
    for digest in (ONE.digest, *TWO.blobs):
        blob_path(layout, digest).unlink(missing_ok=True)
    await delete_image(layout, "one")
    assert entries(layout) == [TWO.digest]


async def test_shared_blobs_stay_and_those_of_its_own_go(layout: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (layout / "blobs").rename(shared)
    (layout / "blobs" / "sha256").mkdir(parents=True)
    own = ONE.layer_digests()[1]
    for digest in (own, TWO.layer_digests()[1]):
        blob_path(layout, digest).write_bytes((shared / "sha256" / digest[7:]).read_bytes())
    await delete_image(layout, "one", shared=shared)
    assert {f"sha256:{name}" for name in os.listdir(shared / "sha256")} == everything_of(ONE, TWO)
    assert blobs(layout) == {TWO.layer_digests()[1]}


async def test_it_waits_for_a_copy_that_is_under_way(layout: Path) -> None:
    """The copy may have found a blob that is about to go, and name it in the index only later."""
    copying = await lock_directory(layout / "blobs", shared=True)
    with anyio.move_on_after(0.1) as scope:
        await delete_image(layout, "one")
    assert scope.cancelled_caught
    assert blobs(layout) == everything_of(ONE, TWO)
    os.close(copying)
    await delete_image(layout, "one")
    assert blobs(layout) == everything_of(TWO)


async def test_copies_and_deletions_at_the_same_time_lose_no_blob(layout: Path, tmp_path: Path) -> None:
    source = f"dir:{tmp_path / 'source'}"
    await pyskopeo.copy(f"oci:{layout}:one", source)

    async def copy_and_delete(name: str) -> None:
        for _ in range(5):
            await pyskopeo.copy(source, f"oci:{layout}:{name}")
            async with pyskopeo.open_source(f"oci:{layout}:{name}") as opened:
                for blob in (await opened.manifest()).blobs:
                    await opened.blob(blob).read(10_000_000)
            await delete_image(layout, name)

    await delete_image(layout, "one")
    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(copy_and_delete, f"n{number}")
    assert entries(layout) == [TWO.digest]
    assert blobs(layout) == everything_of(TWO)
