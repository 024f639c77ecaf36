"""Care for layouts as a library: names, and what is passed on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.config.policy import Policy
from tests.support.access import access_for
from tests.support.images import build, digest_of
from tests.support.nobody import folder_of_nobody
from tests.support.outputs import blob_path, write_dir, write_layout, write_layout_archive
from tests.support.trees import tree

pytestmark = pytest.mark.anyio
IMAGE = build("oci")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return write_layout(IMAGE, tmp_path / "a", tag="v1")


@pytest.mark.parametrize("name", ["dir:x", "x", "docker://example.com/a", "oci:", "oci-archive:x"])
async def test_names_that_are_no_layout(name: str) -> None:
    for work in (pyskopeo.collect_garbage(name), pyskopeo.list_layout(name), pyskopeo.repair_layout(name, ["oci:y"])):
        with pytest.raises(pyskopeo.InvalidName, match="Invalid layout name"):
            await work


async def test_where_one_image_is_not_a_layout(layout: Path) -> None:
    for work in (pyskopeo.collect_garbage(f"oci:{layout}:v1"), pyskopeo.list_layout(f"oci:{layout}:v1")):
        with pytest.raises(pyskopeo.InvalidName, match="want oci:PATH$"):
            await work


async def test_from_verification_to_repair_and_collection(layout: Path, tmp_path: Path) -> None:
    access = access_for(tmp_path)
    good, before = Path(shutil.copytree(layout, tmp_path / "good")), tree(layout)
    blob_path(layout, IMAGE.layer_digests()[0]).unlink()
    blob_path(layout, digest_of(b"orphan")).write_bytes(b"orphan")
    found = await pyskopeo.verify(f"oci:{layout}", access=access)
    assert [fault.kind for fault in found.faults] == [pyskopeo.FaultKind.MISSING]
    report = await pyskopeo.repair_layout(f"oci:{layout}", [f"oci:{good}"], access=access, source_access=access)
    assert report.ok
    assert [str(repair.digest) for repair in report.repaired] == [IMAGE.layer_digests()[0]]
    garbage = await pyskopeo.collect_garbage(f"oci:{layout}", access=access)
    assert garbage.size == 6
    assert tree(layout) == before
    (entry,) = await pyskopeo.list_layout(f"oci:{layout}", access=access)
    assert (entry.name, str(entry.digest)) == ("v1", IMAGE.digest)


async def test_sources_that_are_none(layout: Path, tmp_path: Path) -> None:
    access = access_for(tmp_path)
    with pytest.raises(pyskopeo.InvalidInput, match="at least one image"):
        await pyskopeo.repair_layout(f"oci:{layout}", [], access=access, source_access=access)
    with pytest.raises(pyskopeo.Unsupported, match="docker, oci, oci-archive, dir, docker-archive only"):
        await pyskopeo.repair_layout(f"oci:{layout}", ["tarball:x"], source_access=access)
    with pytest.raises(pyskopeo.InvalidName):
        await pyskopeo.repair_layout(f"oci:{layout}", ["nothing"], source_access=access)
    rejecting = replace(access, policy=lambda: Policy.parse(b'{"default":[{"type":"reject"}]}', "policy"))
    with pytest.raises(pyskopeo.PolicyRejected):
        await pyskopeo.repair_layout(f"oci:{layout}", [f"oci:{layout}"], access=access, source_access=rejecting)


@pytest.mark.parametrize("transport", ["dir", "oci", "oci-archive"])
async def test_a_source_is_asked_for_blobs_alone(transport: str, layout: Path, tmp_path: Path) -> None:
    """It need not hold the same image, or a valid one."""
    access = access_for(tmp_path)
    before = tree(layout)
    for digest in (IMAGE.digest, IMAGE.layer_digests()[0]):
        blob_path(layout, digest).unlink()
    write_dir(IMAGE, tmp_path / "files")
    (tmp_path / "files" / f"{IMAGE.digest[7:]}.manifest.json").write_bytes(IMAGE.root.raw)
    (tmp_path / "files" / "manifest.json").write_bytes(b"broken")
    write_layout_archive(IMAGE, tmp_path / "b.tar")
    write_layout(IMAGE, tmp_path / "other")
    (tmp_path / "other" / "index.json").write_bytes(b"broken")
    place = {"dir": "files", "oci": "other", "oci-archive": "b.tar"}[transport]
    report = await pyskopeo.repair_layout(
        f"oci:{layout}", [f"{transport}:{tmp_path / place}"], access=access, source_access=access
    )
    assert report.ok
    assert tree(layout) == before


async def test_the_directory_of_shared_blobs(layout: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    good = Path(shutil.copytree(layout, tmp_path / "good"))
    (layout / "blobs").rename(shared)
    (shared / "sha256" / digest_of(b"orphan")[7:]).write_bytes(b"orphan")
    (shared / "sha256" / IMAGE.config_digest()[7:]).unlink()
    reading = access_for(tmp_path)
    access = replace(reading, storage=replace(reading.storage, shared_blobs=shared))
    assert (await pyskopeo.list_layout(f"oci:{layout}", access=access))[0].problem != ""
    report = await pyskopeo.repair_layout(f"oci:{layout}", [f"oci:{good}"], access=access, source_access=reading)
    assert report.ok
    assert (await pyskopeo.collect_garbage(f"oci:{layout}", access=access)).removed == ()
    assert (shared / "sha256" / digest_of(b"orphan")[7:]).exists()


async def test_a_layout_that_must_not_be_written_to() -> None:
    """It is verified and listed; what would change it is an error, and changes nothing."""
    with folder_of_nobody() as folder:
        access = access_for(folder)
        layout = write_layout(IMAGE, folder / "a", tag="v1")
        good = Path(shutil.copytree(layout, folder / "good"))
        blob_path(layout, digest_of(b"orphan")).write_bytes(b"orphan")
        blob_path(layout, IMAGE.config_digest()).unlink()
        before = tree(layout)
        for directory in (layout, layout / "blobs", layout / "blobs" / "sha256"):
            directory.chmod(0o555)
        report = await pyskopeo.verify(f"oci:{layout}", access=access)
        assert [fault.kind for fault in report.faults] == [pyskopeo.FaultKind.MISSING]
        assert len(await pyskopeo.list_layout(f"oci:{layout}", access=access)) == 1
        report = await pyskopeo.repair_layout(f"oci:{layout}", [f"oci:{good}"], access=access, source_access=access)
        assert "permission denied" in report.faults[0].message
        assert (await pyskopeo.collect_garbage(f"oci:{layout}", dry_run=True, access=access)).size == 6
        with pytest.raises(pyskopeo.StorageFailed, match="permission denied"):
            await pyskopeo.collect_garbage(f"oci:{layout}", access=access)
        assert tree(layout) == before
