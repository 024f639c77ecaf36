"""A layout is repaired from another place: exactly what is broken, and never with anything unverified."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.engine.verification import VerifyOptions
from pyskopeo.errors import NotFound, PathNotFound
from pyskopeo.interfaces import ImageSource
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.verification import VerificationReport
from pyskopeo.storage.layout_repair import repair_layout
from pyskopeo.storage.layout_verification import verify_layout
from pyskopeo.storage.locks import lock_directory
from pyskopeo.storage.oci_layout import DirectoryFiles, LayoutSource
from pyskopeo.streams.pump import Blob
from tests.support.images import build
from tests.support.outputs import blob_path, write_layout
from tests.support.trees import leftovers, tree

pytestmark = pytest.mark.anyio
INDEX = build("oci-index")
CHILD = INDEX.child(1).digest
OPTIONS = VerifyOptions(external=True)


class Recording(ImageSource):
    """A source that notes what it was asked for."""

    def __init__(self, layout: Path) -> None:
        self._source = LayoutSource(DirectoryFiles(layout), "", str(layout))
        self.asked: list[str] = []

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        self.asked.append(str(descriptor.digest) if descriptor else "root")
        return await self._source.manifest(descriptor)

    def blob(self, descriptor: Descriptor) -> Blob:
        found = self._source.blob(descriptor)

        @asynccontextmanager
        async def opened(offset: int) -> AsyncIterator[Any]:
            self.asked.append(str(descriptor.digest))
            async with found.opener(offset) as reader:
                yield reader

        return Blob(descriptor, opened)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_layout(INDEX, tmp_path / "good", tag="v1")


@pytest.fixture
def layout(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "a"))


async def repair(layout: Path, *sources: ImageSource, name: str = "", **options: Any) -> VerificationReport:
    named = [(f"source{n}", source) for n, source in enumerate(sources)]
    return await repair_layout(layout, named, name, options=VerifyOptions(external=True, **options))


def digests(report: VerificationReport) -> list[str]:
    return sorted(str(repair.digest) for repair in report.repaired)


async def test_it_fetches_exactly_what_is_broken_or_missing(layout: Path, good: Path) -> None:
    missing, flipped, short = INDEX.config_digest(CHILD), *INDEX.layer_digests(CHILD)
    blob_path(layout, missing).unlink()
    blob_path(layout, short).write_bytes(b"short")
    content = blob_path(layout, flipped).read_bytes()
    blob_path(layout, flipped).write_bytes(bytes(reversed(content)))
    source = Recording(good)
    report = await repair(layout, source)
    assert report.ok
    assert digests(report) == sorted((missing, flipped, short))
    assert sorted(source.asked) == sorted((missing, flipped, short))
    assert tree(layout) == tree(good)
    assert {repair.source for repair in report.repaired} == {"source0"}
    source.asked.clear()
    assert (await repair(layout, source)).repaired == ()
    assert source.asked == []


async def test_what_is_below_a_manifest_that_was_missing(layout: Path, good: Path) -> None:
    lost = {CHILD, INDEX.digest, INDEX.config_digest(CHILD)}
    for digest in lost:
        blob_path(layout, digest).unlink()
    source = Recording(good)
    report = await repair(layout, source)
    assert report.ok
    assert set(digests(report)) == set(source.asked) == lost
    assert tree(layout) == tree(good)


async def test_everything_but_the_index_can_be_lost(layout: Path, good: Path) -> None:
    shutil.rmtree(layout / "blobs")
    (layout / "oci-layout").unlink()
    report = await repair(layout, Recording(good), deep=True)
    assert report.ok
    assert tree(layout) == tree(good)
    assert [(one.what, one.source) for one in report.repaired if one.digest is None] == [("oci-layout", "")]


async def test_the_first_source_that_has_it_counts(layout: Path, good: Path, tmp_path: Path) -> None:
    one, two = INDEX.layer_digests(CHILD)
    poor = Path(shutil.copytree(good, tmp_path / "poor"))
    blob_path(poor, one).unlink()
    wrong = Path(shutil.copytree(good, tmp_path / "wrong"))
    blob_path(wrong, one).write_bytes(bytes(len(INDEX.blobs[one])))
    for digest in (one, two):
        blob_path(layout, digest).unlink()
    first, second, third = Recording(poor), Recording(wrong), Recording(good)
    report = await repair(layout, first, second, third)
    assert report.ok
    assert {str(repair.digest): repair.source for repair in report.repaired} == {one: "source2", two: "source0"}
    assert (sorted(first.asked), second.asked, third.asked) == (sorted((one, two)), [one], [one])
    assert leftovers(layout) == []


async def test_what_no_source_has_stays_a_fault(layout: Path, good: Path) -> None:
    digest = INDEX.config_digest(CHILD)
    blob_path(good, digest).write_bytes(bytes(len(INDEX.blobs[digest])))
    blob_path(layout, digest).unlink()
    report = await repair(layout, Recording(good))
    (fault,) = report.faults
    assert str(fault.digest) == digest
    assert "no such file or directory; not repaired: source0: digest mismatch" in fault.message
    assert not blob_path(layout, digest).exists()
    assert leftovers(layout) == []


async def test_content_that_is_wrong_everywhere_is_not_fetched(layout: Path, good: Path) -> None:
    (layout / "index.json").write_text((layout / "index.json").read_text().replace('"size":', '"size":9'))
    source = Recording(good)
    report = await repair(layout, source)
    assert [fault.kind.value for fault in report.faults] == ["size"]
    assert set(source.asked) <= {INDEX.digest}
    assert tree(layout / "blobs") == tree(good / "blobs")


async def test_an_index_cannot_be_repaired(layout: Path, good: Path, tmp_path: Path) -> None:
    (layout / "index.json").unlink()
    report = await repair(layout, Recording(good))
    assert [fault.path for fault in report.faults] == ["index.json"]
    with pytest.raises(PathNotFound):
        await repair(tmp_path / "none", Recording(good))
    (tmp_path / "empty").mkdir()
    with pytest.raises(PathNotFound):
        await repair(tmp_path / "empty", Recording(good))
    assert os.listdir(tmp_path / "empty") == []


def replaced(path: Path, how: str) -> None:
    path.unlink()
    if how == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to({"dangling": "nowhere", "device": "/dev/zero", "circle": path.name}.get(how, how))


@pytest.mark.parametrize("how", ["fifo", "dangling", "device", "circle"])
async def test_what_is_no_file_is_replaced(how: str, layout: Path, good: Path) -> None:
    replaced(blob_path(layout, INDEX.layer_digests(CHILD)[0]), how)
    replaced(blob_path(layout, CHILD), how)
    assert (await repair(layout, Recording(good))).ok
    assert not any(path.is_symlink() for path in (layout / "blobs" / "sha256").iterdir())
    assert tree(layout) == tree(good)


async def test_a_link_to_damaged_content_is_replaced_and_not_followed(layout: Path, good: Path, tmp_path: Path) -> None:
    path = blob_path(layout, INDEX.layer_digests(CHILD)[0])
    (tmp_path / "elsewhere").write_bytes(b"elsewhere")
    replaced(path, str(tmp_path / "elsewhere"))
    assert (await repair(layout, Recording(good))).ok
    assert (tmp_path / "elsewhere").read_bytes() == b"elsewhere"


async def test_a_directory_in_the_place_of_a_blob(layout: Path, good: Path) -> None:
    path = blob_path(layout, INDEX.layer_digests(CHILD)[0])
    path.unlink()
    path.mkdir()
    (path / "precious").write_bytes(b"x")
    report = await repair(layout, Recording(good))
    assert [fault.kind.value for fault in report.faults] == ["unreadable"]
    assert "not repaired" in report.faults[0].message
    assert (path / "precious").exists()
    assert leftovers(layout) == []


async def test_images_of_a_list_that_nobody_wants(layout: Path, good: Path) -> None:
    for digest in (CHILD, INDEX.config_digest(CHILD), INDEX.layer_digests(CHILD)[0]):
        blob_path(layout, digest).unlink()
    broken = INDEX.config_digest(INDEX.child(0).digest)
    blob_path(layout, broken).unlink()
    source = Recording(good)
    report = await repair(layout, source, sparse=True)
    assert report.ok
    assert source.asked == [broken]
    assert list(map(str, report.absent)) == [CHILD]


async def test_nothing_is_deleted_while_it_works(layout: Path, good: Path) -> None:
    """`delete` and `layout gc` wait for it as for a copy, and it waits for them."""
    deleting = await lock_directory(layout / "blobs")
    with anyio.move_on_after(0.1) as scope:
        await repair(layout, Recording(good))
    assert scope.cancelled_caught
    os.close(deleting)
    blob_path(layout, CHILD).unlink()

    class Watching(Recording):
        async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
            with anyio.move_on_after(0.05) as scope:
                await lock_directory(layout / "blobs")
            assert scope.cancelled_caught
            return await super().manifest(descriptor)

    assert (await repair(layout, Watching(good))).ok


async def test_one_image_alone(layout: Path, good: Path) -> None:
    other = build("oci")
    write_layout(other, layout, tag="other")
    write_layout(other, good, tag="other")
    for digest in (other.config_digest(), INDEX.config_digest(CHILD)):
        blob_path(layout, digest).unlink()
    source = Recording(good)
    assert (await repair(layout, source, name="other")).ok
    assert source.asked == [other.config_digest()]


async def test_blobs_that_layouts_share(layout: Path, good: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (layout / "blobs").rename(shared)
    digest = INDEX.layer_digests(CHILD)[0]
    (shared / "sha256" / digest[7:]).unlink()
    sources = [("good", Recording(good))]
    report = await repair_layout(layout, sources, shared=shared, options=OPTIONS)
    assert report.ok
    assert (shared / "sha256" / digest[7:]).read_bytes() == INDEX.blobs[digest]
    assert not (layout / "blobs").exists()
    assert (await verify_layout(layout, shared=shared, options=OPTIONS)).ok


def entries(layout: Path) -> dict[str, str]:
    """The digests in the index by their names."""
    listed = json.loads((layout / "index.json").read_bytes())["manifests"]
    return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in listed}


@pytest.mark.parametrize("index", [None, b"", b"{", b'{"schemaVersion":2,"manifests":[]}', b'{"schemaVersion":2,"manifests":[5]}'])
async def test_the_entry_of_an_image_that_is_named(index: bytes | None, layout: Path, good: Path) -> None:
    (layout / "index.json").unlink()
    if index is not None:
        (layout / "index.json").write_bytes(index)
    blob_path(layout, CHILD).unlink()
    report = await repair(layout, Recording(good), name="v1")
    assert report.ok
    assert entries(layout) == {"v1": INDEX.digest}
    assert sorted(map(str, (one.digest for one in report.repaired))) == sorted([INDEX.digest, CHILD])
    is_valid = index is None or b"[]" in index
    assert (layout / "index.json.broken").exists() != is_valid
    if not is_valid:
        assert (layout / "index.json.broken").read_bytes() == index
    (layout / "index.json.broken").unlink(missing_ok=True)
    assert tree(layout) == tree(good)


async def test_the_other_entries_stay(layout: Path, good: Path) -> None:
    report = await repair(layout, Recording(good), name="v2")
    assert report.ok
    assert entries(layout) == {"v1": INDEX.digest, "v2": INDEX.digest}


async def test_an_entry_is_for_the_one_image_of_a_list_that_is_there(layout: Path, good: Path) -> None:
    (layout / "index.json").unlink()
    for digest in INDEX.manifests.keys() - {CHILD}:
        blob_path(layout, digest).unlink()
    source = Recording(good)
    assert (await repair(layout, source, name="v1")).ok
    assert entries(layout) == {"v1": CHILD}
    assert source.asked == ["root", CHILD]


async def test_an_entry_that_no_source_can_tell(layout: Path, good: Path, tmp_path: Path) -> None:
    before = tree(layout)
    with pytest.raises(NotFound, match="not repaired: source0: .*no descriptor found"):
        await repair(layout, LayoutSource(DirectoryFiles(good), "nothing", str(good)), name="v2")
    docker = write_layout(build("docker"), tmp_path / "docker", tag="v1")
    with pytest.raises(NotFound, match="not repaired: source0: its manifest is .*copy it again"):
        await repair(layout, Recording(docker), name="v2")
    with pytest.raises(NotFound, match="too large"):
        await repair(layout, Recording(good), name="@7")
    assert tree(layout) == before


async def test_of_a_whole_index_nothing_says_what_it_named(layout: Path, good: Path) -> None:
    (layout / "index.json").write_bytes(b"{")
    report = await repair(layout, Recording(good))
    (fault,) = report.faults
    assert f"not repaired: nothing says what it has to name: name an image to have its entry written again, oci:{layout}:NAME" in fault.message
    assert (layout / "index.json").read_bytes() == b"{"
