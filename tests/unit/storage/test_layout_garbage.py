"""Garbage collection removes what no entry needs, and nothing that could be needed."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import anyio
import pytest

import pyskopeo
from pyskopeo.errors import InvalidContent, PathNotFound, StorageFailed
from pyskopeo.storage.layout_garbage import collect_garbage
from pyskopeo.storage.locks import lock_directory
from pyskopeo.storage.partial_files import kept_name
from tests.support.caches import CACHE_CONFIG, build_cache
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import blob_path, write_dir, write_layout

pytestmark = pytest.mark.anyio
BASE = LayerSpec("base", base=True)
ONE, TWO = (build(ImageSpec(layers=(BASE, LayerSpec(name)))) for name in ("one", "two"))
ORPHAN = digest_of(b"orphan")


def blobs(folder: Path) -> set[str]:
    return {f"{path.parent.name}:{path.name}" for path in (folder / "blobs").glob("*/*")}


def everything_of(*images: BuiltImage) -> set[str]:
    return {digest for image in images for digest in (*image.blobs, *image.manifests)}


def remove_entry(layout: Path, name: str) -> None:
    document: dict[str, Any] = json.loads((layout / "index.json").read_bytes())
    kept = [e for e in document["manifests"] if name not in e.get("annotations", {}).values()]
    (layout / "index.json").write_text(json.dumps(document | {"manifests": kept}))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Two images with a layer in common, and a blob that neither needs."""
    write_layout(ONE, tmp_path / "a", tag="one")
    write_layout(TWO, tmp_path / "a", tag="two")
    blob_path(tmp_path / "a", ORPHAN).write_bytes(b"orphan")
    return tmp_path / "a"


async def test_it_removes_only_what_no_entry_reaches(layout: Path) -> None:
    report = await collect_garbage(layout)
    assert [(file.path, file.size) for file in report.removed] == [(f"blobs/sha256/{ORPHAN[7:]}", 6)]
    assert report.size == 6
    assert blobs(layout) == everything_of(ONE, TWO)
    remove_entry(layout, "one")
    await collect_garbage(layout)
    assert blobs(layout) == everything_of(TWO)
    remove_entry(layout, "two")
    await collect_garbage(layout)
    assert blobs(layout) == set()
    assert (layout / "oci-layout").exists()


async def test_a_dry_run_removes_nothing(layout: Path) -> None:
    (layout / ".index.json.0123456789ab.partial").write_bytes(b"12")
    before = blobs(layout)
    report = await collect_garbage(layout, dry_run=True)
    assert [file.path for file in report.removed] == [".index.json.0123456789ab.partial", f"blobs/sha256/{ORPHAN[7:]}"]
    assert report.dry_run
    assert blobs(layout) == before
    assert (layout / ".index.json.0123456789ab.partial").exists()
    done = await collect_garbage(layout)
    assert done.removed == report.removed


@pytest.mark.parametrize(
    "kind", ["nested-index", "oci-index-attested", "index-with-artifact", "oci-sha512", "artifact", "docker-list"]
)
async def test_of_no_kind_of_image_anything_is_removed(kind: str, tmp_path: Path) -> None:
    layout = write_layout(build(kind), tmp_path / "a")
    before = blobs(layout)
    assert (await collect_garbage(layout)).removed == ()
    assert blobs(layout) == before


@pytest.mark.parametrize("config_type", [CACHE_CONFIG, "application/vnd.example.unknown"])
async def test_a_build_cache_is_no_garbage(config_type: str, tmp_path: Path) -> None:
    """Its index names blobs, and no image."""
    layout = write_layout(build_cache(config_type), tmp_path / "a")
    before = blobs(layout)
    assert (await collect_garbage(layout)).removed == ()
    assert blobs(layout) == before


async def test_an_image_under_a_type_that_is_not_known(layout: Path) -> None:
    """What may be a manifest is read as one: to remove its layers would be a loss."""
    document = json.loads((layout / "index.json").read_bytes())
    for entry in document["manifests"]:
        entry["mediaType"] = "application/vnd.example.unknown"
    (layout / "index.json").write_text(json.dumps(document))
    await collect_garbage(layout)
    assert blobs(layout) == everything_of(ONE, TWO)


async def test_the_subject_of_what_is_kept_is_kept(layout: Path) -> None:
    artifact = build("artifact")
    subject = {"mediaType": ONE.root.media_type, "digest": ONE.digest, "size": len(ONE.root.raw)}
    raw = json.dumps(artifact.root.json | {"subject": subject}).encode()
    for content in (raw, *artifact.blobs.values()):
        blob_path(layout, digest_of(content)).write_bytes(content)
    remove_entry(layout, "one")
    document = json.loads((layout / "index.json").read_bytes())
    entry = {"mediaType": artifact.root.media_type, "digest": digest_of(raw), "size": len(raw)}
    (layout / "index.json").write_text(json.dumps(document | {"manifests": [*document["manifests"], entry]}))
    await collect_garbage(layout)
    assert blobs(layout) == everything_of(ONE, TWO) | {digest_of(raw), *artifact.blobs}


@pytest.mark.parametrize("damage", ["missing", "damaged", "other"])
async def test_where_it_is_not_known_what_is_needed_nothing_goes(damage: str, layout: Path) -> None:
    path = blob_path(layout, TWO.digest)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"{" if damage == "damaged" else ONE.root.raw)
    before = blobs(layout)
    with pytest.raises(InvalidContent) as caught:
        await collect_garbage(layout)
    assert TWO.digest in str(caught.value)
    assert blobs(layout) == before


@pytest.mark.parametrize("text", [None, "", "{}", '{"schemaVersion":2,"manifests":[{}]}'])
async def test_without_a_valid_index_nothing_goes(text: str | None, layout: Path) -> None:
    (layout / "index.json").unlink()
    if text is not None:
        (layout / "index.json").write_text(text)
    before = blobs(layout)
    with pytest.raises(PathNotFound if text is None else InvalidContent):
        await collect_garbage(layout)
    assert blobs(layout) == before


async def test_images_of_a_list_that_are_missing(tmp_path: Path) -> None:
    image = build("oci-index")
    layout = write_layout(image, tmp_path / "a")
    blob_path(layout, image.child(0).digest).unlink()
    before = blobs(layout)
    with pytest.raises(InvalidContent, match="is missing.*--sparse accepts"):
        await collect_garbage(layout)
    assert blobs(layout) == before
    await collect_garbage(layout, sparse=True)
    assert blobs(layout) < before
    blob_path(layout, image.digest).unlink()
    with pytest.raises(InvalidContent, match="is missing"):
        await collect_garbage(layout, sparse=True)


async def test_leftovers_of_killed_copies_go_and_those_in_use_stay(layout: Path) -> None:
    """What is kept for a later run to go on with goes too, whatever its age."""
    folder = layout / "blobs" / "sha256"
    names = [
        layout / ".index.json.0123456789ab.partial",
        folder / ".abc.0123456789ab.partial",
        folder / kept_name(ONE.layer_digests()[0][7:], ONE.layer_digests()[0][7:]),
        folder / ".def.0123456789ab.partial",
        folder / kept_name(ORPHAN[7:], ORPHAN[7:]),
    ]
    for path in names:
        path.write_bytes(b"123")
    with names[3].open("rb") as used, names[4].open("rb") as used_too:
        for file in (used, used_too):
            fcntl.flock(file, fcntl.LOCK_EX)
        report = await collect_garbage(layout)
    assert [path.exists() for path in names] == [False, False, False, True, True]
    assert {file.path for file in report.removed if file.is_leftover} == {str(p.relative_to(layout)) for p in names[:3]}


async def test_files_that_are_no_blobs_stay(layout: Path) -> None:
    (layout / "blobs" / "README").write_bytes(b"1")
    (layout / "blobs" / "sha256" / "notes.txt").write_bytes(b"1")
    (layout / "blobs" / "sha256" / ("A" * 64)).write_bytes(b"1")
    (layout / "blobs" / "sha256" / ("0" * 64)).mkdir()
    (layout / "blobs" / "sha256" / ("0" * 64) / "inner").write_bytes(b"1")
    (layout / "other").mkdir()
    (layout / "other" / ("1" * 64)).write_bytes(b"1")
    report = await collect_garbage(layout)
    assert [file.path for file in report.removed] == [f"blobs/sha256/{ORPHAN[7:]}"]
    assert [file.path for file in report.kept] == [
        "blobs/README", f"blobs/sha256/{'0' * 64}", f"blobs/sha256/{'A' * 64}", "blobs/sha256/notes.txt",
    ]  # fmt: skip
    assert all((layout / file.path).exists() for file in report.kept)
    assert (layout / "other" / ("1" * 64)).exists()


async def test_a_link_goes_and_what_it_leads_to_stays(layout: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    link = blob_path(layout, digest_of(b"link"))
    link.symlink_to(tmp_path / "precious")
    blob_path(layout, digest_of(b"dangling")).symlink_to("nowhere")
    await collect_garbage(layout)
    assert blobs(layout) == everything_of(ONE, TWO)
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("what", ["blobs", "blobs/sha256"])
async def test_through_a_link_to_another_directory_nothing_goes(what: str, layout: Path, tmp_path: Path) -> None:
    """Other layouts may need what is there."""
    (layout / what).rename(tmp_path / "elsewhere")
    (layout / what).symlink_to(tmp_path / "elsewhere")
    before = blobs(layout)
    if what == "blobs":
        with pytest.raises(StorageFailed, match="is a symbolic link: other layouts may need"):
            await collect_garbage(layout)
    else:
        report = await collect_garbage(layout)
        assert report.removed == ()
        assert [file.path for file in report.kept] == [f"blobs/sha256/{ORPHAN[7:]}"]
    assert blobs(layout) == before


async def test_blobs_that_layouts_share_stay(layout: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (layout / "blobs").rename(shared)
    (layout / "blobs" / "sha256").mkdir(parents=True)
    own = blob_path(layout, digest_of(b"own"))
    own.write_bytes(b"own")
    before = sorted(os.listdir(shared / "sha256"))
    report = await collect_garbage(layout, shared=shared)
    assert [file.path for file in report.removed] == [f"blobs/sha256/{own.name}"]
    assert sorted(os.listdir(shared / "sha256")) == before


async def test_a_layout_without_blobs(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    (tmp_path / ".index.json.0123456789ab.partial").write_bytes(b"1")
    report = await collect_garbage(tmp_path)
    assert [file.path for file in report.removed] == [".index.json.0123456789ab.partial"]
    assert sorted(os.listdir(tmp_path)) == ["index.json"]


async def test_it_waits_for_a_copy_that_is_under_way(layout: Path) -> None:
    copying = await lock_directory(layout / "blobs", shared=True)
    with anyio.move_on_after(0.1) as scope:
        await collect_garbage(layout)
    assert scope.cancelled_caught
    assert ORPHAN in blobs(layout)
    os.close(copying)
    await collect_garbage(layout)
    assert blobs(layout) == everything_of(ONE, TWO)


async def test_copies_and_collections_at_the_same_time_lose_no_blob(layout: Path, tmp_path: Path) -> None:
    sources = [write_dir(image, tmp_path / f"source{n}") for n, image in enumerate((ONE, TWO))]

    async def copy(number: int) -> None:
        for turn in range(5):
            name = f"oci:{layout}:n{number}"
            await pyskopeo.copy(f"dir:{sources[(number + turn) % 2]}", name)
            async with pyskopeo.open_source(name) as opened:
                for blob in (await opened.manifest()).blobs:
                    await opened.blob(blob).read(10_000_000)
            await pyskopeo.delete(name)

    async def collect() -> None:
        for _ in range(10):
            await collect_garbage(layout)

    remove_entry(layout, "one")
    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(copy, number)
        tasks.start_soon(collect)
    assert blobs(layout) == everything_of(TWO)


ARTIFACT_MANIFEST = "application/vnd.oci.artifact.manifest.v1+json"  # of a draft of the specification


def add_unknown(layout: Path, document: dict[str, Any], media_type: str) -> str:
    """Add an entry of a media type that is not known here; returns its digest."""
    raw = json.dumps(document).encode()
    blob_path(layout, digest_of(raw)).write_bytes(raw)
    index = json.loads((layout / "index.json").read_bytes())
    entry = {"mediaType": media_type, "digest": digest_of(raw), "size": len(raw)}
    (layout / "index.json").write_text(json.dumps(index | {"manifests": [*index["manifests"], entry]}))
    return digest_of(raw)


async def test_what_a_document_of_unknown_media_type_names_stays(layout: Path) -> None:
    content = b"blob of an artifact"
    blob_path(layout, digest_of(content)).write_bytes(content)
    large = b"large" * 1_000_000
    blob_path(layout, digest_of(large)).write_bytes(large)
    blobs_of = [{"mediaType": "application/x", "digest": digest_of(data), "size": len(data)} for data in (content, large)]
    unknown = add_unknown(layout, {"mediaType": ARTIFACT_MANIFEST, "blobs": blobs_of}, ARTIFACT_MANIFEST)
    report = await collect_garbage(layout)
    assert [file.path for file in report.removed] == [f"blobs/sha256/{ORPHAN[7:]}"]
    assert blobs(layout) == everything_of(ONE, TWO) | {unknown, digest_of(content), digest_of(large)}


async def test_what_a_manifest_needs_that_a_document_of_unknown_media_type_names_stays(layout: Path) -> None:
    unnamed = build(ImageSpec(layers=(LayerSpec("three"),)))
    write_layout(unnamed, layout, tag="three")
    remove_entry(layout, "three")
    listed = {"images": {"amd64": unnamed.digest, "arm64": digest_of(b"not here")}}
    unknown = add_unknown(layout, listed, "application/vnd.example.unknown")
    await collect_garbage(layout)
    assert blobs(layout) == everything_of(ONE, TWO, unnamed) | {unknown}
    report = await pyskopeo.verify(f"oci:{layout}")
    assert (report.faults, report.unneeded) == ((), ())
    await pyskopeo.delete(f"oci:{layout}:one")
    assert blobs(layout) == everything_of(TWO, unnamed) | {unknown}
