"""``oci:``: what build tools really emit is read; several writers at once lose nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import anyio
import pytest

import pyskopeo
from pyskopeo import Placement, Selection
from pyskopeo.errors import ContentMismatch, InvalidContent, InvalidName, NotFound, PathNotFound, StorageFailed
from pyskopeo.model.events import BlobFinished, Event, Warned
from pyskopeo.model.platform import Platform
from pyskopeo.storage.partial_files import PARTIAL
from tests.contract.places import AMD64, EVERYTHING, everything
from tests.contract.reading import layout, read_back, see
from tests.support.images import BuiltImage, ImageSpec, IndexSpec, LayerSpec, build
from tests.support.nobody import folder_of_nobody
from tests.support.outputs import blob_path, write_dir, write_layout

pytestmark = pytest.mark.anyio
REF_NAME = "org.opencontainers.image.ref.name"


def entries(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((path / "index.json").read_bytes())["manifests"]
    return found


def tags(path: Path) -> list[str]:
    return [entry.get("annotations", {}).get(REF_NAME, "") for entry in entries(path)]


class TestFilesWritten:
    @pytest.mark.parametrize(
        ("platforms", "platform"), [(False, ""), (True, ',"platform":{"architecture":"amd64","os":"linux"}')]
    )
    async def test_as_skopeo_writes_them_and_with_the_platform(
        self, platforms: bool, platform: str, tmp_path: Path
    ) -> None:
        image = build("oci")
        access = replace(pyskopeo.Access.from_environ(), writing=pyskopeo.Writing(platforms=platforms))
        source = f"dir:{write_dir(image, tmp_path / 'd')}"
        await pyskopeo.copy(source, f"oci:{tmp_path / 'a'}:t", destination_access=access)
        found = everything(tmp_path / "a")
        assert found["oci-layout"] == b'{"imageLayoutVersion":"1.0.0"}'
        assert found["index.json"] == (
            '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":['
            f'{{"mediaType":"{image.root.media_type}","digest":"{image.digest}","size":{len(image.root.raw)},'
            '"annotations":{"org.opencontainers.image.ref.name":"t"}'
            f'{platform}}}]}}'
        ).encode()
        files = {name for name, content in found.items() if content is not None}
        blobs = {f"blobs/sha256/{digest[7:]}" for digest in (*image.blobs, image.digest)}
        assert files == blobs | {"oci-layout", "index.json"}

    @pytest.mark.parametrize(("umask", "expected"), [(0o077, {0o600, 0o700}), (0o022, {0o644, 0o755})])
    async def test_modes_are_what_the_umask_says(self, umask: int, expected: set[int], tmp_path: Path) -> None:
        source = f"dir:{write_dir(build('oci'), tmp_path / 'd')}"
        old = os.umask(umask)
        try:
            await pyskopeo.copy(source, f"oci:{tmp_path / 'a'}:t")
        finally:
            os.umask(old)
        assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").rglob("*")} == expected

    async def test_what_is_there_is_added_to(self, tmp_path: Path) -> None:
        for tag, kind in (("a", "oci"), ("b", "oci-history"), ("", "oci-repeated")):
            (tmp_path / f"from-{tag}").mkdir()
            await pyskopeo.copy(
                layout(build(kind), tmp_path / f"from-{tag}"), f"oci:{tmp_path / 'a'}" + (f":{tag}" if tag else "")
            )
        assert tags(tmp_path / "a") == ["a", "b", ""]
        await read_back(f"oci:{tmp_path / 'a'}:a", build("oci"))
        await read_back(f"oci:{tmp_path / 'a'}:@2", build("oci-repeated"))

    async def test_a_tag_pushed_again_is_replaced(self, tmp_path: Path) -> None:
        for kind in ("oci", "oci-history", "oci"):
            shutil.rmtree(tmp_path / "source", ignore_errors=True)
            await pyskopeo.copy(layout(build(kind), tmp_path), f"oci:{tmp_path / 'a'}:t")
            assert tags(tmp_path / "a") == ["t"]
            assert entries(tmp_path / "a")[0]["digest"] == build(kind).digest

    async def test_one_digest_under_two_tags(self, tmp_path: Path) -> None:
        for tag in "ab":
            await pyskopeo.copy(layout(build("oci"), tmp_path), f"oci:{tmp_path / 'a'}:{tag}")
        assert tags(tmp_path / "a") == ["a", "b"]
        await read_back(f"oci:{tmp_path / 'a'}", build("oci"))

    async def test_from_a_layout_into_itself(self, tmp_path: Path) -> None:
        image = build("oci")
        write_layout(image, tmp_path / "a", tag="one")
        events: list[Event] = []
        await pyskopeo.copy(f"oci:{tmp_path / 'a'}:one", f"oci:{tmp_path / 'a'}:two", report=events.append)
        assert tags(tmp_path / "a") == ["one", "two"]
        assert {e.placement for e in events if isinstance(e, BlobFinished)} == {Placement.PRESENT}

    async def test_entries_and_files_of_others_survive(self, tmp_path: Path) -> None:
        write_layout(build("oci-history"), tmp_path / "a", tag="old")
        index = json.loads((tmp_path / "a" / "index.json").read_bytes())
        index["annotations"] = {"com.example": "é"}
        index["manifests"][0]["x"] = {"y": 1}
        (tmp_path / "a" / "index.json").write_text(json.dumps(index, indent=2))
        (tmp_path / "a" / "README").write_bytes(b"x")
        (tmp_path / "a" / "blobs" / "sha256" / "not-a-digest").write_bytes(b"x")
        await pyskopeo.copy(layout(build("oci"), tmp_path), f"oci:{tmp_path / 'a'}:new")
        after = json.loads((tmp_path / "a" / "index.json").read_bytes())
        assert after["annotations"] == index["annotations"]
        assert after["manifests"][0] == index["manifests"][0]
        assert tags(tmp_path / "a") == ["old", "new"]
        assert (tmp_path / "a" / "README").read_bytes() == b"x"

    async def test_a_damaged_index_is_not_written_over(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "index.json").write_bytes(b'{"schemaVersion":2,"manifests":[')
        with pytest.raises(InvalidContent, match=r"a/index\.json is not valid JSON"):
            await pyskopeo.copy(layout(build("oci"), tmp_path), f"oci:{tmp_path / 'a'}:t")
        assert (tmp_path / "a" / "index.json").read_bytes() == b'{"schemaVersion":2,"manifests":['

    async def test_directories_made_for_nothing_go(self, tmp_path: Path) -> None:
        source = layout(build("oci"), tmp_path)
        for digest in build("oci").blobs:
            blob_path(tmp_path / "source", digest).unlink()
        with pytest.raises(NotFound):
            await pyskopeo.copy(source, f"oci:{tmp_path / 'new' / 'a'}:t")
        assert not (tmp_path / "new").exists()

    async def test_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"x")
        advice = "a is there and is not a directory: remove it, or choose another path$"
        with pytest.raises(StorageFailed, match=advice):
            await pyskopeo.copy(layout(build("oci"), tmp_path), f"oci:{tmp_path / 'a'}:t")

    async def test_a_directory_that_cannot_be_written(self, tmp_path: Path) -> None:
        with folder_of_nobody() as folder:
            source = f"dir:{write_dir(build('oci'), folder / 'd')}"
            (folder / "a").mkdir(mode=0o500)
            with pytest.raises(StorageFailed, match=r"creating .*/a/blobs: permission denied"):
                await pyskopeo.copy(source, f"oci:{folder / 'a'}:t")
            assert os.listdir(folder / "a") == []

    @pytest.mark.parametrize("verify", [True, False])
    async def test_a_corrupted_blob_of_the_same_size(self, verify: bool, tmp_path: Path) -> None:
        image = build("oci")
        source = layout(image, tmp_path)
        await pyskopeo.copy(source, f"oci:{tmp_path / 'a'}:t")
        digest = image.layer_digests()[1]
        path = blob_path(tmp_path / "a", digest)
        path.write_bytes(bytes(path.stat().st_size))
        access = replace(pyskopeo.Access.from_environ({}), writing=pyskopeo.Writing(verify_existing=verify))
        events: list[Event] = []
        await pyskopeo.copy(source, f"oci:{tmp_path / 'a'}:t", destination_access=access, report=events.append)
        assert path.read_bytes() == image.blobs[digest]
        written = [str(e.digest) for e in events if isinstance(e, BlobFinished) and e.placement is Placement.WRITTEN]
        assert written == [digest]
        (warning,) = [event.message for event in events if isinstance(event, Warned)]
        assert warning == f"{path} has the size of blob {digest} but other content, so it is written again"

    @pytest.mark.parametrize("spoilt", [b"x", b""])
    async def test_a_blob_of_another_size_is_repaired_without_being_asked(
        self, spoilt: bytes, tmp_path: Path
    ) -> None:
        image = build("oci")
        source = layout(image, tmp_path)
        await pyskopeo.copy(source, f"oci:{tmp_path / 'a'}:t")
        for digest in (*image.blobs, image.digest):
            blob_path(tmp_path / "a", digest).write_bytes(spoilt)
        await pyskopeo.copy(source, f"oci:{tmp_path / 'a'}:t")
        await read_back(f"oci:{tmp_path / 'a'}:t", image)

    async def test_a_manifest_corrupted_at_the_same_size_is_always_repaired(self, tmp_path: Path) -> None:
        image = build("oci")
        source = layout(image, tmp_path)
        await pyskopeo.copy(source, f"oci:{tmp_path / 'a'}:t")
        blob_path(tmp_path / "a", image.digest).write_bytes(bytes(len(image.root.raw)))
        await pyskopeo.copy(source, f"oci:{tmp_path / 'a'}:t")
        await read_back(f"oci:{tmp_path / 'a'}:t", image)


class TestSharedBlobs:
    async def test_two_layouts_and_one_store(self, tmp_path: Path) -> None:
        access = replace(pyskopeo.Access.from_environ({}), storage=pyskopeo.Storage(shared_blobs=tmp_path / "store"))
        source = layout(build("oci"), tmp_path)
        events: list[Event] = []
        for name in "ab":
            await pyskopeo.copy(
                source, f"oci:{tmp_path / name}:t", destination_access=access, report=events.append
            )
            assert sorted(os.listdir(tmp_path / name)) == ["blobs", "index.json", "oci-layout"]
        placements = [event.placement for event in events if isinstance(event, BlobFinished)]
        assert placements == [Placement.WRITTEN] * 4 + [Placement.PRESENT] * 4
        assert os.listdir(tmp_path / "store") == ["sha256"]
        async with pyskopeo.open_source(f"oci:{tmp_path / 'b'}:t", access) as found:
            for blob in (await found.manifest()).blobs:
                assert await found.blob(blob).read(1_000_000) == build("oci").blobs[str(blob.digest)]
        with pytest.raises(NotFound):
            await see(f"oci:{tmp_path / 'b'}:t")


class TestReading:
    """What build tools really emit."""

    @pytest.fixture
    def image(self) -> BuiltImage:
        return build("oci")

    @pytest.fixture
    def path(self, image: BuiltImage, tmp_path: Path) -> Path:
        return write_layout(image, tmp_path / "a", tag="t")

    async def test_blobs_and_index_that_are_links(self, image: BuiltImage, path: Path, tmp_path: Path) -> None:
        (tmp_path / "cas").mkdir()
        for file in (*(path / "blobs" / "sha256").iterdir(), path / "index.json", path / "oci-layout"):
            target = tmp_path / "cas" / f"x-{file.name}"
            file.rename(target)
            file.symlink_to(os.path.relpath(target, file.parent))
        await read_back(f"oci:{path}:t", image)
        await pyskopeo.copy(f"oci:{path}:t", f"oci:{tmp_path / 'b'}:t")
        assert not any(file.is_symlink() for file in (tmp_path / "b").rglob("*"))
        await read_back(f"oci:{tmp_path / 'b'}:t", image)

    async def test_a_tampered_blob_behind_a_link(self, image: BuiltImage, path: Path, tmp_path: Path) -> None:
        file = blob_path(path, image.layer_digests()[0])
        (tmp_path / "elsewhere").write_bytes(bytes(file.stat().st_size))
        file.unlink()
        file.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ContentMismatch):
            await pyskopeo.copy(f"oci:{path}:t", f"oci:{tmp_path / 'b'}:t")

    @pytest.mark.parametrize("blob", ["layer", "config", "manifest", "index"])
    @pytest.mark.parametrize("kind", ["pipe", "directory", "device", "loop", "nothing"])
    async def test_what_is_no_file(
        self, blob: str, kind: str, image: BuiltImage, path: Path, tmp_path: Path
    ) -> None:
        digests = {"layer": image.layer_digests()[0], "config": image.config_digest(), "manifest": image.digest}
        file = path / "index.json" if blob == "index" else blob_path(path, digests[blob])
        file.unlink()
        make: dict[str, Callable[[], object]] = {
            "pipe": lambda: os.mkfifo(file), "directory": file.mkdir, "loop": lambda: file.symlink_to(file.name),
            "device": lambda: file.symlink_to("/dev/zero"), "nothing": lambda: None,
        }  # fmt: skip
        make[kind]()
        with anyio.fail_after(5), pytest.raises((StorageFailed, NotFound), match=file.name) as caught:
            await pyskopeo.copy(f"oci:{path}:t", f"dir:{tmp_path / 'b'}")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "b").exists()

    @pytest.mark.parametrize("kind", ["docker", "docker-list"])
    async def test_docker_types_inside(self, kind: str, tmp_path: Path) -> None:
        image = build(kind)
        write_layout(image, tmp_path / "a", tag="t")
        await read_back(f"oci:{tmp_path / 'a'}:t", image)
        await pyskopeo.copy(f"oci:{tmp_path / 'a'}:t", f"dir:{tmp_path / 'b'}", selection=EVERYTHING)
        assert (tmp_path / "b" / "manifest.json").read_bytes() == image.root.raw

    @pytest.mark.parametrize("kind", ["oci-without-media-type", "oci", "docker", "oci-index", "docker-list"])
    async def test_a_missing_media_type(self, kind: str, tmp_path: Path) -> None:
        image = build(kind)
        path = write_layout(image, tmp_path / "a", tag="t")
        index = json.loads((path / "index.json").read_bytes())
        del index["manifests"][0]["mediaType"]
        index.pop("mediaType")
        (path / "index.json").write_text(json.dumps(index))
        await read_back(f"oci:{path}:t", image)

    async def test_without_the_layout_file(self, image: BuiltImage, path: Path) -> None:
        (path / "oci-layout").unlink()
        await read_back(f"oci:{path}:t", image)

    async def test_a_layout_of_another_version(self, path: Path) -> None:
        (path / "oci-layout").write_bytes(b'{"imageLayoutVersion":"2.0.0"}')
        with pytest.raises(InvalidContent, match=r"imageLayoutVersion is '2\.0\.0', want 1\.0\.0"):
            await see(f"oci:{path}:t")

    async def test_a_read_only_directory(self, image: BuiltImage) -> None:
        with folder_of_nobody() as folder:
            path = write_layout(image, folder / "a", tag="t")
            for directory, _, names in os.walk(path):
                for name in names:
                    os.chmod(os.path.join(directory, name), 0o400)
                os.chmod(directory, 0o500)
            await read_back(f"oci:{path}:t", image)
            await pyskopeo.copy(f"oci:{path}:t", f"oci:{folder / 'b'}:t")
            await read_back(f"oci:{folder / 'b'}:t", image)

    async def test_files_that_cannot_be_read(self, image: BuiltImage, tmp_path: Path) -> None:
        with folder_of_nobody() as folder:
            path = write_layout(image, folder / "a", tag="t")
            blob_path(path, image.layer_digests()[0]).chmod(0)
            with pytest.raises(StorageFailed, match="permission denied"):
                await pyskopeo.copy(f"oci:{path}:t", f"oci:{folder / 'b'}:t")

    async def test_a_flat_index_of_several_platforms(self, tmp_path: Path) -> None:
        image = build("oci-index-attested")
        path = write_layout(image, tmp_path / "a", tag=None)
        flat = json.loads(image.root.raw)
        (path / "index.json").write_text(json.dumps(flat))
        blob_path(path, image.digest).unlink()
        selection = Selection(Platform("linux", "arm64"))
        await pyskopeo.copy(f"oci:{path}", f"dir:{tmp_path / 'b'}", selection=selection)
        manifest = json.loads((tmp_path / "b" / "manifest.json").read_bytes())
        assert manifest == image.child(3).json
        await pyskopeo.copy(f"oci:{path}", f"oci:{tmp_path / 'c'}:t", selection=EVERYTHING)
        (entry,) = entries(tmp_path / "c")
        assert json.loads(blob_path(tmp_path / "c", entry["digest"]).read_bytes()) == flat

    async def test_several_images_by_position(self, image: BuiltImage, path: Path) -> None:
        write_layout(build("oci-history"), path, tag="u")
        write_layout(build("oci-repeated"), path, tag=None)
        for position, kind in enumerate(("oci", "oci-history", "oci-repeated")):
            await read_back(f"oci:{path}:@{position}", build(kind))
        with pytest.raises(NotFound, match="index 3 is too large, only 3 entries available"):
            await see(f"oci:{path}:@3")
        with pytest.raises(PathNotFound, match="choose an image: t, u, @2"):
            await see(f"oci:{path}")

    async def test_other_things_beside(self, image: BuiltImage, path: Path) -> None:
        (path / "manifest.json").write_bytes(b"[]")
        (path / "blobs" / "md5").mkdir()
        index = json.loads((path / "index.json").read_bytes())
        index["manifests"].append({"mediaType": "application/x", "digest": "sha256:" + "0" * 64, "size": 5})
        (path / "index.json").write_text(json.dumps(index))
        await read_back(f"oci:{path}", image)

    async def test_platforms_that_are_not_there_when_all_are_wanted(self, tmp_path: Path) -> None:
        image = build("oci-index")
        path = write_layout(image, tmp_path / "a", tag="t")
        blob_path(path, image.child(2).digest).unlink()
        with pytest.raises(NotFound, match=image.child(2).digest[7:]):
            await pyskopeo.copy(f"oci:{path}:t", f"dir:{tmp_path / 'b'}", selection=EVERYTHING)
        await pyskopeo.copy(f"oci:{path}:t", f"dir:{tmp_path / 'b'}", selection=AMD64)

    async def test_an_index_that_names_itself_by_another_name(self, tmp_path: Path) -> None:
        """Nine indexes deep is one too many."""
        spec: IndexSpec = IndexSpec((ImageSpec(layers=(LayerSpec("x"),), platform_in_index=False),))
        for _ in range(8):
            spec = IndexSpec((spec,))
        for selection in (AMD64, EVERYTHING):
            with pytest.raises(InvalidContent, match="nested more than 8 deep"):
                await pyskopeo.copy(
                    layout(build(spec), tmp_path), f"oci:{tmp_path / 'b'}:t", selection=selection
                )
        await pyskopeo.copy(
            layout(build(spec.entries[0]), tmp_path), f"oci:{tmp_path / 'b'}:t", selection=AMD64
        )


@pytest.mark.parametrize("name", ["oci:", "oci::t", "oci:p:a b", "oci:p:@x", "oci:p:@", "oci:p:@-1", "oci:p:/"])
def test_names_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        pyskopeo.parse_image_name(name)


async def test_a_position_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidName, match="can only be read, not written"):
        await pyskopeo.copy(layout(build("oci"), tmp_path), f"oci:{tmp_path / 'a'}:@0")
    assert not (tmp_path / "a").exists()


def _write_tags(source: str, path: str, prefix: str, count: int, together: Barrier) -> None:
    together.wait(60)

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            limiter = anyio.CapacityLimiter(4)

            async def one(number: int) -> None:
                async with limiter:
                    await pyskopeo.copy(source, f"oci:{path}:{prefix}{number}")

            for number in range(count):
                tasks.start_soon(one, number)

    anyio.run(run)


class TestSeveralWriters:
    def test_two_processes_and_a_reader(self, tmp_path: Path) -> None:
        image, path = build("oci-no-layers"), tmp_path / "a"
        source = f"dir:{write_dir(image, tmp_path / 'd')}"
        context = multiprocessing.get_context("spawn")
        together = context.Barrier(2)
        writers = [
            context.Process(target=_write_tags, args=(source, str(path), prefix, 50, together)) for prefix in "ab"
        ]
        for writer in writers:
            writer.start()
        seen: list[int] = []
        ends = time.monotonic() + 120
        while any(writer.is_alive() for writer in writers):
            assert time.monotonic() < ends
            if (path / "index.json").exists():
                seen.append(len(entries(path)))  # valid JSON at every moment
            time.sleep(0.001)
        for writer in writers:
            writer.join()
            assert writer.exitcode == 0
        assert sorted(tags(path)) == sorted(f"{prefix}{n}" for prefix in "ab" for n in range(50))
        assert seen == sorted(seen)
        assert len(set(seen)) > 5
        assert not [name for name in everything(path) if PARTIAL in name]

    async def test_tasks_of_one_process(self, tmp_path: Path) -> None:
        source = layout(build("oci"), tmp_path)
        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(pyskopeo.copy, source, f"oci:{tmp_path / 'a'}:t{number}")
        assert sorted(tags(tmp_path / "a")) == sorted(f"t{n}" for n in range(12))
        assert not [name for name in everything(tmp_path / "a") if PARTIAL in name]
        await read_back(f"oci:{tmp_path / 'a'}:t5", build("oci"))
