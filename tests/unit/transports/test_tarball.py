"""``tarball:``: an image made of tar files, described as skopeo describes it."""

from __future__ import annotations

import bz2
import json
import lzma
import os
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

import pyskopeo
from pyskopeo.errors import (
    ContentMismatch,
    InvalidContent,
    InvalidName,
    NotFound,
    PathNotFound,
    StorageFailed,
    Unsupported,
)
from pyskopeo.model.platform import Platform
from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import digest_of
from tests.support.tarballs import MOMENT, gz, put, tar
from tests.support.trees import tree
from tests.support.zstd import zstd

pytestmark = pytest.mark.anyio
OCI = "application/vnd.oci.image"


async def copied(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
    """Manifest, configuration and files of a `dir:`."""
    await pyskopeo.copy(name, f"dir:{folder}")
    files = tree(folder)
    manifest = json.loads(files["manifest.json"])
    return manifest, json.loads(files[manifest["config"]["digest"][7:]]), files


class TestImage:
    async def test_one_file(self, tmp_path: Path) -> None:
        content = tar()
        manifest, config, files = await copied(f"tarball:{put(tmp_path / 'a.tar', content)}", tmp_path / "out")
        digest = digest_of(content)
        assert files[digest[7:]] == content
        assert manifest["layers"] == [{"mediaType": f"{OCI}.layer.v1.tar", "digest": digest, "size": len(content)}]
        assert manifest["config"]["mediaType"] == f"{OCI}.config.v1+json"
        assert config == {
            "created": "2020-01-02T03:04:05.6789012Z",
            "architecture": Platform.host().architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest]},
            "history": [
                {
                    "created": "2020-01-02T03:04:05.6789012Z",
                    "created_by": f"/bin/sh -c #(nop) ADD file:{digest[7:]} in /",
                    "comment": "imported from tarball",
                }
            ],
        }

    @pytest.mark.parametrize(
        ("pack", "kind"),
        [
            (gz, "tar+gzip"),
            (lambda data: gz(data[:700]) + gz(data[700:]), "tar+gzip"),
            (zstd.compress, "tar+zstd"),
        ],
    )
    async def test_a_compressed_one_is_kept_as_it_is(
        self, pack: Callable[[bytes], bytes], kind: str, tmp_path: Path
    ) -> None:
        content = pack(tar())
        manifest, config, files = await copied(f"tarball:{put(tmp_path / 'a', content)}", tmp_path / "out")
        (layer,) = manifest["layers"]
        assert layer == {"mediaType": f"{OCI}.layer.v1.{kind}", "digest": digest_of(content), "size": len(content)}
        assert files[digest_of(content)[7:]] == content
        assert config["rootfs"]["diff_ids"] == [digest_of(tar())]

    async def test_several_files_in_their_order(self, tmp_path: Path) -> None:
        contents = [tar("a"), gz(tar("b")), tar("a")]
        times = [MOMENT, MOMENT + 10**9, MOMENT - 10**9]
        paths = [put(tmp_path / f"f{n}", content, times[n]) for n, content in enumerate(contents)]
        name = "tarball:" + ":".join(map(str, paths))
        manifest, config, _ = await copied(name, tmp_path / "out")
        assert [layer["digest"] for layer in manifest["layers"]] == list(map(digest_of, contents))
        assert config["rootfs"]["diff_ids"] == [digest_of(tar(name)) for name in "aba"]
        assert [entry["created"][17:22] for entry in config["history"]] == ["05.67", "06.67", "04.67"]
        assert config["created"] == config["history"][1]["created"]  # the newest

    @pytest.mark.parametrize(
        ("modified", "text"),
        [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (-31_536_000 * 10**9 + 500_000_000, "1969-01-01T00:00:00.5Z"),
            (951_827_696 * 10**9, "2000-02-29T12:34:56Z"),
        ],
    )
    async def test_times(self, modified: int, text: str, tmp_path: Path) -> None:
        _, config, _ = await copied(f"tarball:{put(tmp_path / 'a', tar(), modified)}", tmp_path / "out")
        assert config["created"] == text

    async def test_it_does_not_depend_on_where_we_are(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = put(tmp_path / "a", tar())
        first = await copied(f"tarball:{path}", tmp_path / "one")
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            assert await copied(f"tarball:{path}", tmp_path / "two") == first
        finally:
            monkeypatch.undo()
            time.tzset()

    @pytest.mark.parametrize(
        "content",
        [
            tar(format=tarfile.GNU_FORMAT),
            tar(format=tarfile.USTAR_FORMAT),
            tar("é" * 200),
            bytes(1024),
            gz(bytes(10240)),
            tar() + b"whatever comes after its end",
        ],
    )
    async def test_every_kind_of_tar(self, content: bytes, tmp_path: Path) -> None:
        _, _, files = await copied(f"tarball:{put(tmp_path / 'a', content)}", tmp_path / "out")
        assert files[digest_of(content)[7:]] == content

    @pytest.mark.parametrize("signed", [True, False])
    async def test_checksums_of_old_programs(self, signed: bool, tmp_path: Path) -> None:
        block = bytearray(tar("\xe9", format=tarfile.USTAR_FORMAT)[:512])
        block[0:1] = b"\xe9"
        block[148:156] = b" " * 8
        total = sum(byte - 256 if signed and byte > 127 else byte for byte in block)
        block[148:156] = b"%06o\0 " % total
        content = bytes(block) + bytes(1024)
        _, _, files = await copied(f"tarball:{put(tmp_path / 'a', content)}", tmp_path / "out")
        assert files[digest_of(content)[7:]] == content

    def test_it_is_described(self, tmp_path: Path) -> None:
        done = succeed(pyskopeo_here("inspect", f"tarball:{put(tmp_path / 'a', tar())}"))
        shown = json.loads(done.stdout)
        assert (shown["Os"], shown["Labels"], shown["Layers"]) == ("linux", None, [digest_of(tar())])

    @pytest.mark.parametrize("destination", ["oci:{}/layout:x", "oci-archive:{}/a.tar", "docker-archive:{}/d.tar:a:b"])
    async def test_it_goes_everywhere(self, destination: str, tmp_path: Path) -> None:
        name = f"tarball:{put(tmp_path / 'a', tar())}:{put(tmp_path / 'b', gz(tar('b')))}"
        await pyskopeo.copy(name, destination.format(tmp_path))
        async with pyskopeo.open_source(destination.format(tmp_path)) as source:
            facts = await pyskopeo.inspect_image(source, Platform("linux", "amd64"))
        assert facts.config["rootfs"]["diff_ids"] == [digest_of(tar()), digest_of(tar("b"))]


class TestStreams:
    async def test_a_named_pipe_is_kept_while_it_is_needed(self, tmp_path: Path) -> None:
        content, pipe, scratch = tar(content=os.urandom(300_000)), tmp_path / "pipe", tmp_path / "scratch"
        scratch.mkdir()
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pipe.write_bytes(content))
        writer.start()
        access = replace(pyskopeo.Access.from_environ({}), storage=pyskopeo.Storage(scratch=scratch))
        before = time.time()
        async with pyskopeo.open_source(f"tarball:{pipe}", access) as source:
            writer.join()
            root = await source.manifest()
            assert await source.blob(root.layers[0]).read(1_000_000) == content
            assert len(list(scratch.iterdir())) == 1
            facts = await pyskopeo.inspect_image(source, Platform("linux", "amd64"))
            assert facts.created is not None
            assert facts.created[:4] == str(time.gmtime(before).tm_year)
        assert not list(scratch.iterdir())

    async def test_a_pipe_nobody_writes_into_can_be_given_up(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        keeper = os.open(tmp_path / "pipe", os.O_RDWR)
        begun = time.monotonic()
        with anyio.move_on_after(0.2) as scope:
            await pyskopeo.copy(f"tarball:{tmp_path}/pipe", f"dir:{tmp_path}/out")
        os.close(keeper)
        assert scope.cancelled_caught
        assert time.monotonic() - begun < 10


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "kind", "said"),
        [
            (b"junk\n", InvalidContent, "a is not a tar file"),
            (b"", InvalidContent, "a is not a tar file"),
            (b"x" * 2000, InvalidContent, "a is not a tar file"),
            (bytes(100), InvalidContent, "a is not a tar file"),
            (tar()[:256], InvalidContent, "a is not a tar file"),
            (b"y" + tar()[1:], InvalidContent, "a is not a tar file"),
            (tar()[:148] + b"\xb2\xb3 \0\0\0\0\0" + tar()[156:], InvalidContent, "a is not a tar file"),
            (gz(b"junk"), InvalidContent, "a is not a tar file"),
            (gz(tar())[:-9], InvalidContent, "cut short"),
            (gz(tar())[:20] + b"junk", InvalidContent, "damaged|cut short"),
            (bz2.compress(tar()), Unsupported, "a is compressed with bzip2, which no layer may be; decompress it first"),
            (lzma.compress(tar()), Unsupported, "a is compressed with xz, which no layer may be; decompress it first"),
        ],
    )
    async def test_what_is_no_layer(
        self, content: bytes, kind: type[Exception], said: str, tmp_path: Path
    ) -> None:
        path = put(tmp_path / "a", content)
        with pytest.raises(kind, match=said) as caught:
            await pyskopeo.copy(f"tarball:{put(tmp_path / 'good', tar())}:{path}", f"dir:{tmp_path}/out")
        assert str(path) in str(caught.value)
        assert not (tmp_path / "out").exists()

    async def test_what_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(PathNotFound, match=f"open {tmp_path}/none: no such file or directory") as caught:
            await pyskopeo.copy(f"tarball:{tmp_path}/none", f"dir:{tmp_path}/out")
        assert caught.value.exit_code == 1

    async def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(StorageFailed, match="is a directory"):
            await pyskopeo.copy(f"tarball:{tmp_path}", f"dir:{tmp_path}/out")

    async def test_a_file_that_changes_meanwhile(self, tmp_path: Path) -> None:
        path = put(tmp_path / "a", tar())
        async with pyskopeo.open_source(f"tarball:{path}") as source:
            root = await source.manifest()
            path.write_bytes(tar(content=b"other"))
            with pytest.raises(ContentMismatch):
                await source.blob(root.layers[0]).read(1_000_000)

    async def test_what_it_does_not_have(self, tmp_path: Path) -> None:
        async with pyskopeo.open_source(f"tarball:{put(tmp_path / 'a', tar())}") as source:
            root = await source.manifest()
            with pytest.raises(Unsupported, match="single image"):
                await source.manifest(root.descriptor)
            with pytest.raises(NotFound, match="no blob"):
                source.blob(root.descriptor)

    @pytest.mark.parametrize("details", ["", "a:", ":a", "a::b"])
    def test_names(self, details: str) -> None:
        with pytest.raises(InvalidName, match=r"want tarball:file\[:file...\]"):
            pyskopeo.parse_image_name(f"tarball:{details}")

    def test_standard_input_twice(self) -> None:
        with pytest.raises(InvalidName, match="standard input can be read only once"):
            pyskopeo.parse_image_name("tarball:-:a:-")

    def test_it_cannot_be_written(self, tmp_path: Path) -> None:
        done = pyskopeo_here("copy", f"tarball:{put(tmp_path / 'a', tar())}", f"tarball:{tmp_path}/b")
        assert done.code == 1
        assert "tarball: cannot be written to" in done.stderr


async def test_plain_layers_are_compressed_where_skopeo_does(tmp_path: Path) -> None:
    """Nobody knows a digest of an image that is just being made."""
    source = f"tarball:{put(tmp_path / 'a.tar', tar())}"
    for form, expected in ((pyskopeo.Form(), ".tar+gzip"), (pyskopeo.Form(keep_plain=True), ".tar")):
        await pyskopeo.copy(source, f"oci:{tmp_path}/layout:x", form=form)
        async with pyskopeo.open_source(f"oci:{tmp_path}/layout:x") as written:
            (layer,) = (await written.manifest()).layers
        assert layer.media_type == f"{OCI}.layer.v1{expected}"
    await pyskopeo.copy(source, f"dir:{tmp_path}/files")
    assert digest_of(tar()).removeprefix("sha256:") in os.listdir(tmp_path / "files")
