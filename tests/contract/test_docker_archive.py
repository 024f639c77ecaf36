"""``docker-archive:``: what ``docker load`` takes, and everything ``docker save`` gives."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import io
import json
import lzma
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo import Selection
from pyskopeo.engine.plan import DEFAULT_FORM, Form
from pyskopeo.errors import (
    ContentMismatch,
    DestinationRefused,
    InvalidContent,
    InvalidName,
    NotFound,
    PathNotFound,
    StorageFailed,
)
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.platform import Platform
from pyskopeo.storage.docker_archive.writer import DockerArchiveDestination
from pyskopeo.transports.docker_archive import parse_tag
from tests.contract.places import everything
from tests.contract.reading import layout, read_layers, see
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path
from tests.support.zstd import zstd

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("unmeasured_processes")]
ROOT = Path(__file__).parents[2]
SINGLE = (
    "docker", "oci", "docker-repeated", "docker-history", "docker-odd-text", "oci-zstd", "oci-uncompressed",
    "oci-no-layers",
)  # fmt: skip


def contents(path: Path) -> dict[str, bytes | str]:
    """Members in order: bytes of files, targets of links."""
    with tarfile.open(path, "r:") as archive:
        return {m.name: m.linkname if m.issym() else archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]


def load(path: Path, name: str) -> Any:
    return json.loads(contents(path)[name])


def hexes(image: BuiltImage) -> list[str]:
    return [hashlib.sha256(image.tars[digest]).hexdigest() for digest in image.layer_digests()]


class TestFilesWritten:
    @pytest.mark.parametrize("kind", SINGLE)
    async def test_the_members(self, kind: str, tmp_path: Path) -> None:
        image = build(kind)
        await pyskopeo.copy(layout(image, tmp_path), f"docker-archive:{tmp_path / 'a.tar'}:a/b:t")
        found, layers = contents(tmp_path / "a.tar"), hexes(image)
        config = hashlib.sha256(image.config()).hexdigest()
        distinct = list(dict.fromkeys(layers))
        legacy = [name.partition("/")[0] for name in found if name.endswith("/layer.tar")]
        assert len(legacy) == len(layers)
        assert list(found) == [
            *(f"{name}.tar" for name in distinct),
            f"{config}.json",
            *(f"{name}/{file}" for name in legacy for file in ("layer.tar", "VERSION", "json")),
            "manifest.json",
            "repositories",
        ]
        for digest, name in zip(image.layer_digests(), layers, strict=True):
            assert found[f"{name}.tar"] == image.tars[digest]
        assert found[f"{config}.json"] == image.config()
        for name, layer in zip(legacy, layers, strict=True):
            assert found[f"{name}/layer.tar"] == f"../{layer}.tar"
            assert found[f"{name}/VERSION"] == b"1.0"
            assert json.loads(found[f"{name}/json"])["id"] == name
        tag = "docker.io/a/b:t"
        assert json.loads(found["manifest.json"]) == [
            {"Config": f"{config}.json", "RepoTags": [tag], "Layers": [f"{layer}.tar" for layer in layers]}
        ]
        named = {"docker.io/a/b": {"t": legacy[-1]}} if legacy else {}
        assert json.loads(found["repositories"]) == named

    async def test_times_owners_and_modes(self, tmp_path: Path) -> None:
        old = os.umask(0o077)
        try:
            await pyskopeo.copy(layout(build("oci"), tmp_path), f"docker-archive:{tmp_path / 'a.tar'}:a:t")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "a.tar").stat().st_mode) == 0o600
        with tarfile.open(tmp_path / "a.tar", "r:") as archive:
            found = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in archive if m.isreg()}
        assert found == {(0, 0, 0, "", "", 0o444)}

    async def test_without_a_name(self, tmp_path: Path) -> None:
        await pyskopeo.copy(layout(build("oci"), tmp_path), f"docker-archive:{tmp_path / 'a.tar'}")
        assert load(tmp_path / "a.tar", "manifest.json")[0]["RepoTags"] == []
        assert load(tmp_path / "a.tar", "repositories") == {}
        await read_layers(f"docker-archive:{tmp_path / 'a.tar'}", build("oci"))

    async def test_additional_tags(self, tmp_path: Path) -> None:
        access = replace(
            pyskopeo.Access.from_environ({}),
            writing=pyskopeo.Writing(additional_tags=("a:two", "quay.io/x/y:z", "alpine")),
        )
        name = f"docker-archive:{tmp_path / 'a.tar'}:a:one"
        await pyskopeo.copy(layout(build("oci"), tmp_path), name, destination_access=access)
        wanted = ["docker.io/library/a:one", "docker.io/library/a:two", "quay.io/x/y:z", "docker.io/library/alpine:latest"]
        assert load(tmp_path / "a.tar", "manifest.json")[0]["RepoTags"] == wanted
        repositories = load(tmp_path / "a.tar", "repositories")
        assert list(repositories) == ["docker.io/library/a", "docker.io/library/alpine", "quay.io/x/y"]
        assert list(repositories["docker.io/library/a"]) == ["one", "two"]
        for tag in wanted:
            await see(f"docker-archive:{tmp_path / 'a.tar'}:{tag}")

    @pytest.mark.parametrize("tag", ["a@sha256:" + "a" * 64, "a:t@sha256:" + "a" * 64, "A:t", ""])
    async def test_additional_tags_that_are_none(self, tag: str, tmp_path: Path) -> None:
        access = replace(pyskopeo.Access.from_environ({}), writing=pyskopeo.Writing(additional_tags=(tag,)))
        with pytest.raises(InvalidName):
            await pyskopeo.copy(
                layout(build("oci"), tmp_path), f"docker-archive:{tmp_path / 'a.tar'}:a:one", destination_access=access
            )
        assert not (tmp_path / "a.tar").exists()

    async def test_an_existing_file_is_not_changed(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(b"x")
        with pytest.raises(DestinationRefused, match="docker-archive doesn't support modifying existing images"):
            await pyskopeo.copy(layout(build("oci"), tmp_path), f"docker-archive:{tmp_path / 'a.tar'}:a:t")
        assert (tmp_path / "a.tar").read_bytes() == b"x"

    async def test_an_empty_file_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").touch()
        await pyskopeo.copy(layout(build("oci"), tmp_path), f"docker-archive:{tmp_path / 'a.tar'}:a:t")
        await read_layers(f"docker-archive:{tmp_path / 'a.tar'}", build("oci"))

    async def test_a_layer_that_is_not_what_the_configuration_says(self, tmp_path: Path) -> None:
        image = build("oci")
        source = layout(image, tmp_path)
        config = json.loads(image.config())
        config["rootfs"]["diff_ids"].reverse()
        with pytest.raises(ContentMismatch, match=r"layer decompresses to sha256:\w+, the image configuration says"):
            await self._with_config(image, tmp_path, source, config)
        config["rootfs"]["diff_ids"].pop()
        with pytest.raises(InvalidContent, match="has 3 layers, its configuration names 2"):
            await self._with_config(image, tmp_path, source, config)
        assert [name for name in os.listdir(tmp_path) if "a.tar" in name] == []

    async def _with_config(self, image: BuiltImage, tmp_path: Path, source: str, config: Any) -> None:
        raw = json.dumps(config).encode()
        manifest = image.root.json
        manifest["config"] = {"mediaType": mediatype.OCI_CONFIG, "digest": str(Digest.of(raw)), "size": len(raw)}
        document = json.dumps(manifest).encode()
        for content in (raw, document):
            blob_path(tmp_path / "source", str(Digest.of(content))).write_bytes(content)
        index = {"mediaType": mediatype.OCI_MANIFEST, "digest": str(Digest.of(document)), "size": len(document)}
        (tmp_path / "source" / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [index]}))
        await pyskopeo.copy(source.rpartition(":")[0], f"docker-archive:{tmp_path / 'a.tar'}:a:t")

    async def test_a_full_disk_while_it_is_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = layout(build("oci"), tmp_path)
        before = everything(tmp_path)

        def full_for_the_archive(call: Callable[..., int], fd: int, *rest: object) -> int:
            if os.fstat(fd).st_ino in {path.stat().st_ino for path in tmp_path.iterdir()}:
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(fd, *rest)

        for call in ("sendfile", "pwrite"):
            monkeypatch.setattr(os, call, partial(full_for_the_archive, getattr(os, call)))
        with pytest.raises(StorageFailed, match=r"writing .*/a\.tar: no space left on device"):
            await pyskopeo.copy(source, f"docker-archive:{tmp_path / 'a.tar'}:a:t")
        assert everything(tmp_path) == before

    async def test_no_room_is_taken_twice(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is in the archive is gone from the scratch folder."""
        import pyskopeo.storage.tar as archives

        image = build("oci")
        left: list[int] = []
        real = archives.TarWriter.add_bytes

        def watched(self: archives.TarWriter, name: str, content: bytes, mode: int) -> None:
            left.append(sum(path.stat().st_size for path in (tmp_path / "scratch").rglob("*") if path.is_file()))
            real(self, name, content, mode)

        monkeypatch.setattr(archives.TarWriter, "add_bytes", watched)
        (tmp_path / "scratch").mkdir()
        access = replace(pyskopeo.Access.from_environ({}), storage=pyskopeo.Storage(scratch=tmp_path / "scratch"))
        name = f"docker-archive:{tmp_path / 'a.tar'}:a:t"
        await pyskopeo.copy(layout(image, tmp_path), name, destination_access=access)
        assert max(left) <= len(image.config())
        assert os.listdir(tmp_path / "scratch") == []


async def append(destination: Any, source: str, *tags: str) -> Digest:
    destination.set_tags(*map(parse_tag, tags))
    async with pyskopeo.open_source(source) as found:
        plan = await pyskopeo.make_plan(found, destination, Selection(Platform("linux", "amd64")))
        return await pyskopeo.carry_out(plan, found, destination)


class TestSeveralImages:
    async def test_they_share_what_is_the_same(self, tmp_path: Path) -> None:
        first = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("one"))))
        second = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("two"))))
        packed = build(ImageSpec("docker", layers=(LayerSpec("base", base=True, compression="none"),)))
        names = []
        for number, image in enumerate((first, second, packed)):
            (tmp_path / str(number)).mkdir()
            names.append(layout(image, tmp_path / str(number)))
        async with pyskopeo.open_destination(f"docker-archive:{tmp_path / 'a.tar'}") as destination:
            assert isinstance(destination, DockerArchiveDestination)
            await append(destination, names[0], "a:1", "a:latest")
            await append(destination, names[1], "b:1")
            await append(destination, names[2])
            await append(destination, names[0], "a:again", "a:1")
            assert not (tmp_path / "a.tar").exists()
        with tarfile.open(tmp_path / "a.tar", "r:") as archive:
            members = archive.getnames()
        assert len(members) == len(set(members))
        manifest = load(tmp_path / "a.tar", "manifest.json")
        assert [item["RepoTags"] for item in manifest] == [
            ["docker.io/library/a:1", "docker.io/library/a:latest", "docker.io/library/a:again"],
            ["docker.io/library/b:1"],
            [],
        ]
        assert manifest[0]["Layers"][0] == manifest[1]["Layers"][0] == manifest[2]["Layers"][0]
        for name, image in (("a:latest", first), ("b:1", second), ("@0", first), ("@1", second), ("@2", packed)):
            await read_layers(f"docker-archive:{tmp_path / 'a.tar'}:{name}", image)
        with pytest.raises(InvalidContent, match=r"expected 1 item, got 3"):
            await see(f"docker-archive:{tmp_path / 'a.tar'}")

    async def test_one_that_fails_spoils_the_archive_even_if_the_caller_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "1").mkdir()
        one, two = layout(build("oci"), tmp_path), layout(build("docker-repeated"), tmp_path / "1")
        before, real = everything(tmp_path), os.write

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        async def go_on() -> None:
            async with pyskopeo.open_destination(f"docker-archive:{tmp_path / 'a.tar'}") as destination:
                await append(destination, one, "a:1")
                monkeypatch.setattr(os, "write", full)
                with pytest.raises(StorageFailed, match="no space left"):
                    await append(destination, two, "a:2")
                monkeypatch.setattr(os, "write", real)

        with pytest.raises(StorageFailed, match="given up, since one of its images could be written only in part"):
            await go_on()
        assert everything(tmp_path) == before

    async def test_one_that_cannot_be_read_does_not_spoil_those_that_can(self, tmp_path: Path) -> None:
        (tmp_path / "1").mkdir()
        one, two = layout(build("oci"), tmp_path), layout(build("docker-repeated"), tmp_path / "1")
        for digest in build("docker-repeated").layer_digests():
            blob_path(tmp_path / "1" / "source", digest).unlink(missing_ok=True)
        async with pyskopeo.open_destination(f"docker-archive:{tmp_path / 'a.tar'}") as destination:
            await append(destination, one, "a:1")
            with pytest.raises(NotFound):
                await append(destination, two, "a:2")
        await read_layers(f"docker-archive:{tmp_path / 'a.tar'}", build("oci"))


class Saved:
    """An archive as old versions of ``docker save`` wrote it."""

    def __init__(self, image: BuiltImage) -> None:
        self.out = io.BytesIO()
        self.archive = tarfile.open(fileobj=self.out, mode="w")
        self.image = image
        self.layers: list[str] = []

    def add(self, name: str, content: bytes = b"", *, link: str = "", kind: bytes = tarfile.SYMTYPE) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        if link:
            member.type, member.linkname = kind, link
        self.archive.addfile(member, io.BytesIO(content))

    def finish(self, **changes: Any) -> bytes:
        config = hashlib.sha256(self.image.config()).hexdigest() + ".json"
        self.add(config, self.image.config())
        item = {"Config": config, "RepoTags": ["alpine:3", "quay.io/x/y:z"], "Layers": self.layers} | changes
        self.add("manifest.json", json.dumps([item]).encode())
        self.archive.close()
        return self.out.getvalue()


def saved(
    image: BuiltImage, pack: Callable[[bytes], bytes] = bytes, *, kind: bytes = tarfile.SYMTYPE
) -> bytes:
    """Layers in directories, repeated ones as links to the first."""
    archive, seen = Saved(image), dict[str, str]()
    for number, digest in enumerate(image.layer_digests()):
        directory = f"{number:064x}"
        archive.add(f"{directory}/VERSION", b"1.0")
        if digest in seen:
            target = seen[digest] if kind == tarfile.LNKTYPE else f"../{seen[digest]}"
            archive.add(f"{directory}/layer.tar", link=target, kind=kind)
        else:
            archive.add(f"{directory}/layer.tar", pack(image.tars[digest]))
        seen.setdefault(digest, f"{directory}/layer.tar")
        archive.layers.append(f"{directory}/layer.tar")
    return archive.finish()


class TestReading:
    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
    async def test_layers_in_directories_and_links(self, kind: bytes, tmp_path: Path) -> None:
        image = build("docker-repeated")
        (tmp_path / "a.tar").write_bytes(saved(image, kind=kind))
        for name in ("", ":alpine:3", ":docker.io/library/alpine:3", ":quay.io/x/y:z", ":@0"):
            await read_layers(f"docker-archive:{tmp_path / 'a.tar'}{name}", image)

    async def test_the_manifest_is_skopeos(self, tmp_path: Path) -> None:
        image = build("docker")
        (tmp_path / "a.tar").write_bytes(saved(image))
        async with pyskopeo.open_source(f"docker-archive:{tmp_path / 'a.tar'}") as source:
            manifest = await source.manifest()
            actual = [source.blob(layer).descriptor.media_type for layer in manifest.layers]
        layers = ",".join(
            f'{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":{len(image.tars[digest])},'
            f'"digest":"sha256:{name}"}}'
            for digest, name in zip(image.layer_digests(), hexes(image), strict=True)
        )
        assert manifest.raw.decode() == (
            '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":'
            f'{{"mediaType":"application/vnd.docker.container.image.v1+json","size":{len(image.config())},'
            f'"digest":"sha256:{hashlib.sha256(image.config()).hexdigest()}"}},"layers":[{layers}]}}'
        )
        # It says gzip, as skopeo's does; what is handed over is a plain tar, and who keeps it says so.
        assert set(actual) == {mediatype.DOCKER_LAYER}
        for form, expected in [
            (DEFAULT_FORM, mediatype.OCI_LAYER_GZIP),
            (Form(keep_plain=True), mediatype.OCI_LAYER),
        ]:
            await pyskopeo.copy(f"docker-archive:{tmp_path / 'a.tar'}", f"oci:{tmp_path / 'o'}:t", form=form)
            async with pyskopeo.open_source(f"oci:{tmp_path / 'o'}:t") as written:
                assert {layer.media_type for layer in (await written.manifest()).layers} == {expected}

    @pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
    async def test_layers_compressed_inside(self, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
        image = build("docker-repeated")
        (tmp_path / "a.tar").write_bytes(saved(image, pack))
        await read_layers(f"docker-archive:{tmp_path / 'a.tar'}", image)
        await pyskopeo.copy(f"docker-archive:{tmp_path / 'a.tar'}", f"docker-archive:{tmp_path / 'b.tar'}:a:t")
        await read_layers(f"docker-archive:{tmp_path / 'b.tar'}", image)

    @pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
    async def test_compressed_archives(self, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
        image = build("docker-repeated")
        (tmp_path / "a.tar.x").write_bytes(pack(saved(image)))
        await read_layers(f"docker-archive:{tmp_path / 'a.tar.x'}", image)
        assert os.listdir(tmp_path) == ["a.tar.x"]

    async def test_what_newer_versions_of_docker_save(self, tmp_path: Path) -> None:
        """A layout and an archive in one: the same members, named by ``manifest.json`` too."""
        image = build("oci-uncompressed")
        archive = Saved(image)
        for digest, content in image.blobs.items():
            archive.add(f"blobs/sha256/{digest[7:]}", content)
        archive.layers = [f"blobs/sha256/{digest[7:]}" for digest in image.layer_digests()]
        config = f"blobs/sha256/{image.config_digest()[7:]}"
        (tmp_path / "a.tar").write_bytes(archive.finish(Config=config))
        await read_layers(f"docker-archive:{tmp_path / 'a.tar'}:alpine:3", image)

    @pytest.mark.parametrize("how", ["plain", "gzip"])
    async def test_standard_input(self, how: str, tmp_path: Path) -> None:
        image = build("docker-repeated")
        data = saved(image) if how == "plain" else gzip.compress(saved(image))
        program = "import sys, pyskopeo; pyskopeo.run_copy(*sys.argv[1:])"
        arguments = ["docker-archive:/dev/stdin" if how == "gzip" else "docker-archive:-", f"dir:{tmp_path / 'd'}"]
        subprocess.run([sys.executable, "-c", program, *arguments], input=data, check=True, cwd=ROOT)
        for digest, name in zip(image.layer_digests(), hexes(image), strict=True):
            assert (tmp_path / "d" / name).read_bytes() == image.tars[digest]

    async def test_standard_output(self, tmp_path: Path) -> None:
        source = layout(build("docker-repeated"), tmp_path)
        program = "import sys, pyskopeo; pyskopeo.run_copy(*sys.argv[1:])"
        await pyskopeo.copy(source, f"docker-archive:{tmp_path / 'a.tar'}:a:t")
        for name in ("-", "/dev/stdout", "/dev/fd/1"):
            command = [sys.executable, "-c", program, source, f"docker-archive:{name}:a:t"]
            piped = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout
            assert piped == (tmp_path / "a.tar").read_bytes()
            with (tmp_path / "redirected").open("wb") as out:
                subprocess.run(command, stdout=out, check=True, cwd=ROOT)
            assert (tmp_path / "redirected").read_bytes() == piped

    async def test_a_pipe_whose_reader_has_gone(self, tmp_path: Path) -> None:
        source = layout(build(ImageSpec(layers=(LayerSpec("large", size=500_000),))), tmp_path)
        reading, writing = os.pipe()
        os.close(reading)
        program = (
            "import sys, pyskopeo\ntry: pyskopeo.run_copy(*sys.argv[1:])\n"
            "except pyskopeo.PyskopeoError as error: sys.exit(str(error))"
        )
        command = [sys.executable, "-c", program, source, "docker-archive:-:a:t"]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=ROOT, check=False, text=True)
        os.close(writing)
        assert done.returncode == 1
        assert done.stderr == "writing /dev/stdout: broken pipe\n"

    @pytest.mark.parametrize(
        ("changes", "error", "reason"),
        [
            ({"Config": "none.json"}, NotFound, "no 'none.json' in this archive"),
            ({"Config": 5}, InvalidContent, "lacks Config"),
            ({"Layers": "x"}, InvalidContent, "lacks Config, RepoTags or Layers of the right type"),
            ({"Layers": [1]}, InvalidContent, "of the right type"),
            ({"RepoTags": [None]}, InvalidContent, "of the right type"),
            ({"Layers": []}, InvalidContent, "0 layers, but the image configuration names 5"),
            ({"Layers": ["x.tar"] * 5}, NotFound, "no 'x.tar' in this archive"),
        ],
    )
    async def test_a_manifest_that_is_wrong(
        self, changes: dict[str, Any], error: type[Exception], reason: str, tmp_path: Path
    ) -> None:
        archive = Saved(build("docker-repeated"))
        (tmp_path / "a.tar").write_bytes(archive.finish(**changes))
        with pytest.raises(error, match=reason) as caught:
            await see(f"docker-archive:{tmp_path / 'a.tar'}")
        assert str(tmp_path / "a.tar") in str(caught.value)

    @pytest.mark.parametrize("manifest", [b"", b"{}", b"[5]", b"[", b"null", b"[" * 100_000, b"[]".ljust(1024 * 1024 + 1)])
    async def test_a_manifest_that_is_none(self, manifest: bytes, tmp_path: Path) -> None:
        archive = Saved(build("docker"))
        archive.add("manifest.json", manifest)
        archive.archive.close()
        (tmp_path / "a.tar").write_bytes(archive.out.getvalue())
        with pytest.raises(InvalidContent, match=r"manifest\.json") as caught:
            await see(f"docker-archive:{tmp_path / 'a.tar'}")
        assert "\n" not in str(caught.value)

    async def test_a_layer_that_is_not_what_its_diff_id_says(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(saved(build("docker"), lambda tar: bytes(len(tar))))
        with pytest.raises(ContentMismatch):
            await pyskopeo.copy(f"docker-archive:{tmp_path / 'a.tar'}", f"dir:{tmp_path / 'd'}")
        assert not (tmp_path / "d").exists()

    async def test_what_is_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(saved(build("docker")))
        for name, reason in (
            (f"{tmp_path}/none.tar", "no such file"),
            (f"{tmp_path}/a.tar:alpine:4", 'Tag "docker.io/library/alpine:4" not found'),
            (f"{tmp_path}/a.tar:@1", "Invalid source index @1, only 1 manifest items available"),
        ):
            with pytest.raises(PathNotFound, match=reason) as caught:
                await see(f"docker-archive:{name}")
            assert caught.value.exit_code == 1

    async def test_a_blob_nobody_spoke_of(self, tmp_path: Path) -> None:
        image = build("docker")
        (tmp_path / "a.tar").write_bytes(saved(image))
        async with pyskopeo.open_source(f"docker-archive:{tmp_path / 'a.tar'}") as source:
            layer = (await source.manifest()).layers[0]
            with pytest.raises(NotFound, match="no blob sha256:0000"):
                source.blob(replace(layer, digest=Digest("sha256", "0" * 64)))

    async def test_a_tar_without_a_manifest(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(build("docker").tars[build("docker").layer_digests()[0]])
        with pytest.raises(InvalidContent, match=r"is not a docker-archive: no manifest\.json in it"):
            await see(f"docker-archive:{tmp_path / 'a.tar'}")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("docker-archive:", "want docker-archive:path"),
        ("docker-archive::a:t", "want docker-archive:path"),
        ("docker-archive:p:@x", "position of an image"),
        ("docker-archive:p:@", "position of an image"),
        ("docker-archive:p:A:t", "must be lowercase"),
        ("docker-archive:p:a@sha256:" + "a" * 64, "doesn't support digest references"),
    ],
)
def test_names_refused(name: str, reason: str) -> None:
    with pytest.raises(InvalidName, match=reason):
        pyskopeo.parse_image_name(name)


async def test_a_position_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidName, match="can only be read, not written"):
        await pyskopeo.copy(layout(build("oci"), tmp_path), f"docker-archive:{tmp_path / 'a.tar'}:@0")
