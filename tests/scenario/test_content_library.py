"""Single content and the completion of layouts by library functions, on both event loops."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo.errors import ContentMismatch
from pyskopeo.model.reference import parse_source
from pyskopeo.storage.partial_files import is_kept
from tests.support.access import access_for
from tests.support.faults import Flip, Stall
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_layout
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=400_000, compression="none"), LayerSpec("small"))))
LARGE, SMALL = IMAGE.layer_digests()


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


@pytest.fixture
def access(tmp_path: Path) -> pyskopeo.Access:
    return access_for(tmp_path)


async def test_blobs_and_manifests_there_and_back(registry: Simulator, access: pyskopeo.Access, tmp_path: Path) -> None:
    name = f"{registry.host}/test/image"
    manifest = await pyskopeo.get_manifest(f"{name}:latest", access=access)
    assert manifest.raw == IMAGE.root.raw
    outputs = {f"{name}@{blob.digest}": tmp_path / blob.digest.hex for blob in manifest.blobs}
    await pyskopeo.get_blobs(outputs, access=access)
    with Simulator() as target:
        for path in outputs.values():
            descriptor = await pyskopeo.put_blob(f"{target.host}/team/app", path, access=access)
            assert descriptor.digest.hex == path.name
        digest = await pyskopeo.put_manifest(f"{target.host}/team/app:v1", manifest.raw, access=access)
        assert str(digest) == IMAGE.digest
        assert target.incomplete == []


async def test_a_download_that_is_cancelled_leaves_only_what_the_next_one_goes_on_with(
    registry: Simulator, access: pyskopeo.Access, tmp_path: Path
) -> None:
    registry.on_blob(LARGE, Stall(200_000))
    name, path = f"{registry.host}/test/image@{LARGE}", tmp_path / "blob"
    with anyio.move_on_after(1) as scope:
        await pyskopeo.get_blob(name, path, access=access)
    assert scope.cancelled_caught
    assert [file.name for file in tmp_path.iterdir() if not is_kept(file.name)] == []
    registry.heal()
    await pyskopeo.get_blob(name, path, access=access)
    assert path.read_bytes() == IMAGE.blobs[LARGE]
    assert [file.name for file in tmp_path.iterdir()] == ["blob"]


async def test_sources_are_asked_in_order(registry: Simulator, access: pyskopeo.Access, tmp_path: Path) -> None:
    with Simulator(IMAGE, "other/image") as other:
        other.on_blob(LARGE, Flip(9))
        sources = (parse_source(f"other/image@{other.host}"),)
        await pyskopeo.get_blob(f"{registry.host}/test/image@{LARGE}", tmp_path / "blob", sources=sources, access=access)
    assert (tmp_path / "blob").read_bytes() == IMAGE.blobs[LARGE]


async def test_a_shallow_layout_is_completed(registry: Simulator, access: pyskopeo.Access, tmp_path: Path) -> None:
    layout = tmp_path / "lay"
    await pyskopeo.copy(
        registry.name(), f"oci:{layout}:v1", layers=False, source_access=access, destination_access=access
    )
    report = await pyskopeo.find_missing_content(f"oci:{layout}", access=access)
    assert sorted(str(one.descriptor.digest) for one in report.missing) == sorted((LARGE, SMALL))
    assert {one.sources for one in report.missing} == {(f"{registry.host}/test/image",)}
    whole = write_layout(IMAGE, tmp_path / "whole")
    blob_path(whole, SMALL).unlink()
    report = await pyskopeo.complete_layout(f"oci:{layout}", [f"oci:{whole}"], access=access)
    assert [str(one.descriptor.digest) for one in report.missing] == [SMALL]
    report = await pyskopeo.complete_layout(f"oci:{layout}", access=access)
    assert report.complete
    assert (await pyskopeo.verify(f"oci:{layout}", deep=True, access=access)).ok


async def test_layouts_are_put_together(access: pyskopeo.Access, tmp_path: Path) -> None:
    one, two = (write_layout(IMAGE, tmp_path / name, tag="v1") for name in ("one", "two"))
    blob_path(one, SMALL).unlink()
    blob_path(two, LARGE).unlink()
    linking = replace(access, writing=pyskopeo.Writing(reuse="hardlink"))
    report = await pyskopeo.assemble_layout(f"oci:{tmp_path}/out:v1", IMAGE.digest, [f"oci:{one}", f"oci:{two}"], access=linking)
    assert report.complete
    assert blob_path(tmp_path / "out", LARGE).samefile(blob_path(one, LARGE))
    assert (await pyskopeo.merge_layouts(f"oci:{tmp_path}/both", [f"oci:{one}", f"oci:{two}"], access=access)).complete
    assert (await pyskopeo.verify(f"oci:{tmp_path}/both", deep=True, access=access)).ok


@pytest.mark.parametrize("stream", ["file", "fifo"])
async def test_content_with_another_digest_is_not_uploaded(stream: str, access: pyskopeo.Access, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"other")
    if stream == "fifo":
        (tmp_path / "file").unlink()
        os.mkfifo(tmp_path / "file")
        threading.Thread(target=lambda: (tmp_path / "file").write_bytes(b"other"), daemon=True).start()
    with Simulator() as target:
        with pytest.raises(ContentMismatch, match="digest mismatch"):
            await pyskopeo.put_blob(f"{target.host}/team/app@{LARGE}", tmp_path / "file", access=access)
        assert target.blobs("team/app") == {}
        assert target.open_uploads == ()
