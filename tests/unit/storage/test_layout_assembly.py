"""Layouts from content that lies elsewhere: assembled by a digest, or merged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pyskopeo.errors import ContentMismatch, DestinationRefused, InvalidContent, PathNotFound, StorageFailed
from pyskopeo.model.completion import CompletionReport
from pyskopeo.model.descriptor import UNKNOWN_SIZE, Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.storage.content_sources import ContentSource, ImageContent, open_files
from pyskopeo.storage.existing_blobs import ExistingBlobs
from pyskopeo.storage.layout_assembly import assemble_layout, merge_layouts
from pyskopeo.storage.layout_completion import CompletionOptions
from pyskopeo.storage.oci_layout import DirectoryFiles, LayoutSource
from tests.support.images import ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import blob_path, write_layout
from tests.support.trees import tree

pytestmark = pytest.mark.anyio
INDEX = build("oci-index")
ONE, TWO = (build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec(name)))) for name in ("one", "two"))


def content_of(layout: Path) -> ContentSource:
    return ImageContent(f"oci:{layout}", LayoutSource(DirectoryFiles(layout), "", str(layout)), local=True)


async def assemble(out: Path, digest: str, *sources: ContentSource, name: str = "v1") -> CompletionReport:
    image = Descriptor("", Digest.parse(digest), UNKNOWN_SIZE)
    return await assemble_layout(out, image, name, sources, existing=ExistingBlobs(), options=CompletionOptions())


async def merge(out: Path, *layouts: Path) -> CompletionReport:
    opened = [(layout, content_of(layout)) for layout in layouts]
    return await merge_layouts(out, opened, existing=ExistingBlobs(), options=CompletionOptions())


def names(layout: Path) -> dict[str, str]:
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    return {entry.get("annotations", {}).get("org.opencontainers.image.ref.name", ""): entry["digest"] for entry in entries}


class TestAssemble:
    async def test_everything_by_its_digest(self, tmp_path: Path) -> None:
        source = write_layout(INDEX, tmp_path / "source", tag="other")
        report = await assemble(tmp_path / "out", INDEX.digest, content_of(source))
        assert report.complete
        assert names(tmp_path / "out") == {"v1": INDEX.digest}
        assert tree(tmp_path / "out" / "blobs") == tree(source / "blobs")

    async def test_from_several_places_that_have_a_part_each(self, tmp_path: Path) -> None:
        (tmp_path / "files").mkdir()
        for number, content in enumerate((*INDEX.blobs.values(), *(m.raw for m in INDEX.manifests.values()))):
            (tmp_path / "files" / f"file{number}").write_bytes(content)
        layout = write_layout(INDEX, tmp_path / "layout")
        for digest in list(INDEX.blobs)[::2]:
            blob_path(layout, digest).unlink()
        half = tmp_path / "half"
        half.mkdir()
        for number in range(0, len(INDEX.blobs), 2):
            shutil.move(tmp_path / "files" / f"file{number}", half)
        report = await assemble(tmp_path / "out", INDEX.digest, content_of(layout), open_files(half, Path()))
        assert report.complete
        assert set(tree(tmp_path / "out" / "blobs")) == set(tree(write_layout(INDEX, tmp_path / "whole") / "blobs"))

    async def test_what_is_missing_is_found_out_before_anything_is_written(self, tmp_path: Path) -> None:
        source = write_layout(ONE, tmp_path / "source")
        gone = [*ONE.layer_digests(), ONE.config_digest()]
        for digest in gone:
            blob_path(source, digest).unlink()
        report = await assemble(tmp_path / "out", ONE.digest, content_of(source))
        assert sorted(str(one.descriptor.digest) for one in report.missing) == sorted(gone)
        assert not (tmp_path / "out").exists()

    async def test_wrong_bytes_leave_the_layout_without_the_image(self, tmp_path: Path) -> None:
        source, victim = write_layout(ONE, tmp_path / "source"), ONE.layer_digests()[1]
        blob_path(source, victim).write_bytes(bytes(len(ONE.blobs[victim])))
        report = await assemble(tmp_path / "out", ONE.digest, content_of(source))
        assert [str(one.descriptor.digest) for one in report.missing] == [victim]
        assert not (tmp_path / "out" / "index.json").exists()
        assert not blob_path(tmp_path / "out", victim).exists()

    async def test_the_root_itself_is_missing_or_no_manifest(self, tmp_path: Path) -> None:
        source = write_layout(ONE, tmp_path / "source")
        report = await assemble(tmp_path / "out", digest_of(b"nothing"), content_of(source))
        assert [str(one.descriptor.digest) for one in report.missing] == [digest_of(b"nothing")]
        report = await assemble(tmp_path / "out", ONE.layer_digests()[0], content_of(source))
        assert report.missing
        with pytest.raises(InvalidContent, match="is no manifest"):
            await assemble_layout(
                tmp_path / "out", Descriptor("application/vnd.oci.image.layer.v1.tar+gzip",
                Digest.parse(ONE.layer_digests()[0]), len(ONE.blobs[ONE.layer_digests()[0]])), "", [content_of(source)],
                existing=ExistingBlobs(), options=CompletionOptions(),
            )  # fmt: skip

    async def test_into_a_layout_that_has_other_images(self, tmp_path: Path) -> None:
        out = write_layout(ONE, tmp_path / "out", tag="one")
        await assemble(out, TWO.digest, content_of(write_layout(TWO, tmp_path / "two")), name="two")
        assert names(out) == {"one": ONE.digest, "two": TWO.digest}
        (tmp_path / "file").write_bytes(b"x")
        with pytest.raises(StorageFailed, match="is there and is not a directory"):
            await assemble(tmp_path / "file", TWO.digest)


class TestMerge:
    async def test_two_partial_layouts_complete_each_other(self, tmp_path: Path) -> None:
        one, two = (write_layout(ONE, tmp_path / name, tag="v1") for name in ("one", "two"))
        base, top = ONE.layer_digests()
        blob_path(one, base).unlink()
        blob_path(two, top).unlink()
        report = await merge(tmp_path / "out", one, two)
        assert report.complete
        assert names(tmp_path / "out") == {"v1": ONE.digest}
        assert tree(tmp_path / "out") == tree(write_layout(ONE, tmp_path / "whole", tag="v1"))

    async def test_all_entries_are_there_once_and_what_was_there_stays(self, tmp_path: Path) -> None:
        out = write_layout(INDEX, tmp_path / "out", tag="index")
        one, two = write_layout(ONE, tmp_path / "one", tag="one"), write_layout(TWO, tmp_path / "two", tag="two")
        write_layout(ONE, two, tag="one")
        write_layout(TWO, one, tag=None)
        write_layout(TWO, two, tag=None)
        await merge(out, one, two)
        entries = json.loads((out / "index.json").read_bytes())["manifests"]
        assert len(entries) == 4
        assert names(out) == {"index": INDEX.digest, "one": ONE.digest, "two": TWO.digest, "": TWO.digest}
        before = tree(out)
        await merge(out, one, two)
        assert tree(out) == before

    async def test_a_name_for_two_images_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        one, two = write_layout(ONE, tmp_path / "one", tag="v1"), write_layout(TWO, tmp_path / "two", tag="v1")
        with pytest.raises(DestinationRefused, match="v1 is sha256:.* in one layout and sha256:.* in another"):
            await merge(tmp_path / "out", one, two)
        assert not (tmp_path / "out").exists()

    async def test_what_all_of_them_lack_is_no_error(self, tmp_path: Path) -> None:
        one = write_layout(ONE, tmp_path / "one", tag="v1")
        blob_path(one, ONE.layer_digests()[0]).unlink()
        report = await merge(tmp_path / "out", one)
        assert [str(content.descriptor.digest) for content in report.missing] == [ONE.layer_digests()[0]]
        assert names(tmp_path / "out") == {"v1": ONE.digest}

    async def test_wrong_content_in_one_of_them_and_in_all(self, tmp_path: Path) -> None:
        one, two = (write_layout(ONE, tmp_path / name, tag="v1") for name in ("one", "two"))
        victim = ONE.layer_digests()[0]
        blob_path(one, victim).write_bytes(bytes(len(ONE.blobs[victim])))
        await merge(tmp_path / "out", one, two)
        assert blob_path(tmp_path / "out", victim).read_bytes() == ONE.blobs[victim]
        with pytest.raises(ContentMismatch, match="wrong or missing in all layouts"):
            await merge(tmp_path / "other", one)
        assert not (tmp_path / "other" / "index.json").exists()

    async def test_no_layout(self, tmp_path: Path) -> None:
        with pytest.raises(PathNotFound, match="no OCI layout"):
            await merge(tmp_path / "out", tmp_path / "none")
