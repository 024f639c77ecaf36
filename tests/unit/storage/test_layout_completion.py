"""A layout is completed from other places: only what it lacks, only what is right, and all that is missing is reported."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.errors import PathNotFound, StorageFailed
from pyskopeo.model.completion import CompletionReport
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Event, Report, Warned, ignore
from pyskopeo.model.manifest import Manifest
from pyskopeo.storage.content_sources import BlobFiles, ContentSource, ImageContent, open_files
from pyskopeo.storage.existing_blobs import ExistingBlobs
from pyskopeo.storage.layout_completion import CompletionOptions, complete_layout
from pyskopeo.storage.oci_layout import DirectoryFiles, LayoutSource
from pyskopeo.streams.pump import Blob
from tests.support.images import build
from tests.support.outputs import blob_path, write_layout
from tests.support.trees import leftovers, tree

pytestmark = pytest.mark.anyio
INDEX = build("oci-index")
CHILD = INDEX.child(1).digest


def content_of(layout: Path) -> ContentSource:
    return ImageContent(f"oci:{layout}", LayoutSource(DirectoryFiles(layout), "", str(layout)), local=True)


class Recording(ContentSource):
    """A place that notes what it was asked for."""

    def __init__(self, source: ContentSource) -> None:
        self.name, self._source, self.asked = source.name, source, list[str]()

    async def manifest(self, descriptor: Descriptor) -> Manifest:
        self.asked.append(str(descriptor.digest))
        return await self._source.manifest(descriptor)

    async def blobs(self, descriptor: Descriptor) -> list[Blob]:
        self.asked.append(str(descriptor.digest))
        return await self._source.blobs(descriptor)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_layout(INDEX, tmp_path / "good", tag="v1")


@pytest.fixture
def layout(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "a"))


async def complete(
    layout: Path, *sources: ContentSource, name: str = "", write: bool = True, report: Report = ignore, **options: Any
) -> CompletionReport:
    return await complete_layout(
        layout, sources, name, existing=ExistingBlobs(), options=CompletionOptions(**options), write=write, report=report
    )


def digests(found: Sequence[Any]) -> list[str]:
    return sorted(str(one.descriptor.digest) for one in found)


async def test_exactly_what_is_missing_or_wrong_is_brought(layout: Path, good: Path) -> None:
    missing, flipped, short = INDEX.config_digest(CHILD), *INDEX.layer_digests(CHILD)
    blob_path(layout, missing).unlink()
    blob_path(layout, short).write_bytes(b"short")
    blob_path(layout, flipped).write_bytes(bytes(reversed(blob_path(layout, flipped).read_bytes())))
    source = Recording(content_of(good))
    report = await complete(layout, source)
    assert report.complete
    assert digests(report.placed) == sorted(source.asked) == sorted((missing, flipped, short))
    assert {one.source for one in report.placed} == {f"oci:{good}"}
    assert tree(layout) == tree(good)


async def test_a_complete_layout_asks_nobody(layout: Path, good: Path) -> None:
    source = Recording(content_of(good))
    report = await complete(layout, source)
    assert (report.complete, report.placed, source.asked) == (True, (), [])
    assert report.present == len({**INDEX.blobs, **INDEX.manifests})


async def test_a_missing_manifest_and_all_below_it(layout: Path, good: Path) -> None:
    gone = [CHILD, INDEX.config_digest(CHILD)]  # other images share its layers
    for digest in gone:
        blob_path(layout, digest).unlink()
    assert digests((await complete(layout)).missing) == [CHILD]  # what is below it is not known
    assert (await complete(layout, sparse=True)).complete
    assert (await complete(layout, content_of(good))).complete
    assert tree(layout) == tree(good)


@pytest.mark.parametrize(("number", "raised"), [
    (errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EROFS, True), (errno.EACCES, True), (errno.EIO, False),
])  # fmt: skip
async def test_a_layout_that_takes_nothing_is_not_the_fault_of_a_source(
    layout: Path, good: Path, number: int, raised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = INDEX.layer_digests(CHILD)[0]
    blob_path(layout, digest).unlink()
    access = os.access

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    if raised:
        with pytest.raises(StorageFailed, match="copying") as caught:
            await complete(layout, content_of(good), content_of(good))
        assert caught.value.errno == number
    else:  # the source's disk may be the broken one
        assert digests((await complete(layout, content_of(good))).missing) == [digest]
    assert not blob_path(layout, digest).exists()
    assert not leftovers(layout)


async def test_what_nobody_has_is_reported_and_the_rest_is_brought(layout: Path, good: Path) -> None:
    layers = INDEX.layer_digests(CHILD)
    for digest in layers:
        blob_path(layout, digest).unlink()
    blob_path(good, layers[0]).unlink()
    report = await complete(layout, content_of(good))
    assert digests(report.missing) == [layers[0]]
    assert digests(report.placed) == [layers[1]]


async def test_looking_writes_nothing(layout: Path) -> None:
    digest = INDEX.layer_digests(CHILD)[0]
    blob_path(layout, digest).unlink()
    before = tree(layout)
    assert digests((await complete(layout, write=False)).missing) == [digest]
    assert tree(layout) == before


async def test_the_first_place_that_is_right_is_taken(layout: Path, good: Path, tmp_path: Path) -> None:
    """Places that lie are passed over, with a warning each."""
    digest = INDEX.layer_digests(CHILD)[0]
    content = blob_path(layout, digest).read_bytes()
    blob_path(layout, digest).unlink()
    liar = write_layout(INDEX, tmp_path / "liar")
    blob_path(liar, digest).write_bytes(bytes(len(content)))
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / digest).write_bytes(content + b"x")
    events: list[Event] = []
    report = await complete(
        layout, content_of(liar), open_files(tmp_path / "named", Path()), content_of(good), report=events.append
    )
    assert [one.source for one in report.placed] == [f"oci:{good}"]
    warned = [event.message for event in events if isinstance(event, Warned)]
    assert [message.split(": ")[0] for message in warned] == [f"oci:{liar}", str(tmp_path / "named")]
    assert "digest mismatch" in warned[0]
    assert tree(layout) == tree(good)


async def test_wrong_bytes_everywhere_leave_nothing(layout: Path, tmp_path: Path) -> None:
    digest = INDEX.layer_digests(CHILD)[0]
    size = blob_path(layout, digest).stat().st_size
    blob_path(layout, digest).unlink()
    (tmp_path / "wrong").write_bytes(bytes(size))
    report = await complete(layout, BlobFiles("index", {Digest.parse(digest): tmp_path / "wrong"}))
    assert digests(report.missing) == [digest]
    assert len(report.rejected) == 1
    assert not blob_path(layout, digest).exists()
    assert leftovers(layout) == []


@pytest.mark.parametrize("kind", ["fifo", "loop", "dangling", "directory"])
async def test_strange_files_in_the_place_of_a_blob(kind: str, layout: Path, good: Path) -> None:
    digest = INDEX.layer_digests(CHILD)[0]
    path = blob_path(good, digest)
    blob_path(layout, digest).unlink()
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "loop" else "nothing")
    with anyio.fail_after(5):
        report = await complete(layout, content_of(good))
    assert digests(report.missing) == [digest]


async def test_symbolic_links_are_followed_and_copied(layout: Path, good: Path) -> None:
    """As in a sandbox, where every input is a link."""
    digest = INDEX.layer_digests(CHILD)[0]
    path = blob_path(good, digest)
    real = path.rename(good / "real")
    path.symlink_to(real)
    blob_path(layout, digest).unlink()
    assert (await complete(layout, content_of(good))).complete
    assert not blob_path(layout, digest).is_symlink()
    assert not blob_path(layout, digest).samefile(real)


async def test_files_can_be_linked_instead(layout: Path, good: Path) -> None:
    digest = INDEX.layer_digests(CHILD)[0]
    blob_path(layout, digest).unlink()
    await complete(layout, content_of(good), reuse="hardlink")
    assert blob_path(layout, digest).samefile(blob_path(good, digest))


async def test_one_image_of_several(layout: Path, good: Path) -> None:
    other = build("docker")
    write_layout(other, layout, tag="v2")
    for digest in (other.config_digest(), INDEX.config_digest(CHILD)):
        blob_path(layout, digest).unlink()
    assert digests((await complete(layout, name="v1")).missing) == [INDEX.config_digest(CHILD)]
    assert digests((await complete(layout, name="v2")).missing) == [other.config_digest()]
    assert len((await complete(layout)).missing) == 2


@pytest.mark.parametrize("name", ["none", "file"])
async def test_no_layout(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(PathNotFound, match="no OCI layout"):
        await complete(tmp_path / name)


async def test_progress_ends_at_all_bytes(layout: Path, good: Path) -> None:
    for digest in INDEX.layer_digests(CHILD):
        blob_path(layout, digest).unlink()
    seen: list[tuple[int, int]] = []
    await complete_layout(
        layout, [content_of(good)], existing=ExistingBlobs(), options=CompletionOptions(),
        advance=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    total = sum(map(len, INDEX.blobs.values()))
    assert seen[-1] == (total, total)
