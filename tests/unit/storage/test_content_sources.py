"""Files as places of content: by name, by index, by their bytes; whatever else is in their way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import InvalidContent, NotFound, PyskopeoError, StorageFailed
from pyskopeo.model.descriptor import UNKNOWN_SIZE, Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.storage.content_sources import BlobFiles, hash_file, open_files, regular_files
from pyskopeo.streams.locations import LocalFile
from tests.support.images import build

pytestmark = pytest.mark.anyio
IMAGE = build("oci")


def described(content: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor("", Digest.of(content, algorithm), len(content))


async def found(source: BlobFiles, descriptor: Descriptor) -> list[Path]:
    locations = [location for blob in await source.blobs(descriptor) for location in blob.locations]
    return [location.path for location in locations if isinstance(location, LocalFile)]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_an_unnamed_file_is_found_by_its_bytes(algorithm: str, tmp_path: Path) -> None:
    for name in ("one", "two", "other"):
        (tmp_path / name).write_bytes(name.encode())
    source = open_files(tmp_path, Path())
    assert await found(source, described(b"two", algorithm)) == [tmp_path / "two"]
    assert await found(source, described(b"six", algorithm)) == []
    assert await found(source, described(b"absent", algorithm)) == []


async def test_only_files_of_the_wanted_size_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "bb", "cc"):
        (tmp_path / name).write_bytes(name.encode())
    source = open_files(tmp_path, Path())
    read: list[str] = []
    original = os.open

    def opened(path: object, *more: int, **others: int) -> int:
        read.append(Path(str(path)).name)
        return original(path, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", opened)
    assert await found(source, described(b"cc")) == [tmp_path / "cc"]
    assert await found(source, described(b"bb")) == [tmp_path / "bb"]
    assert sorted(read) == ["bb", "cc"]  # each once


async def test_files_named_by_digests_in_any_of_the_usual_ways(tmp_path: Path) -> None:
    content = {name: name.encode() for name in ("one", "two")}
    digests = {name: Digest.of(raw) for name, raw in content.items()}
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "blobs" / "sha256" / digests["one"].hex).write_bytes(content["one"])
    (tmp_path / str(digests["two"])).write_bytes(content["two"])
    source = open_files(tmp_path, Path())
    assert await found(source, described(b"one")) == [tmp_path / "blobs" / "sha256" / digests["one"].hex]
    assert await found(source, described(b"two")) == [tmp_path / str(digests["two"])]


async def test_a_blob_index_with_paths_below_a_base_and_outside(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "one").write_bytes(b"one")
    (tmp_path / "two").write_bytes(b"two")
    paths = {str(Digest.of(b"one")): "one", str(Digest.of(b"two")): "../two"}
    (tmp_path / "index.json").write_text(json.dumps({"Blobs": paths}))
    source = open_files(tmp_path / "index.json", tmp_path / "base")
    assert source.is_index
    assert [path.resolve() for path in await found(source, described(b"two"))] == [tmp_path / "two"]
    assert await found(source, described(b"one")) == [tmp_path / "base" / "one"]


async def test_other_json_is_a_blob_itself(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(IMAGE.config())
    source = open_files(tmp_path / "config.json", Path())
    assert not source.is_index
    assert await found(source, described(IMAGE.config())) == [tmp_path / "config.json"]


@pytest.mark.parametrize("name", ["manifest", "index.json"])
async def test_manifests_of_known_and_unknown_size(name: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(IMAGE.root.raw)
    if name == "index.json":
        (tmp_path / name).write_text(json.dumps({"Blobs": {IMAGE.digest: str(path)}}))
        path = tmp_path / name
    source, digest = open_files(path, Path()), Digest.parse(IMAGE.digest)
    for size in (len(IMAGE.root.raw), UNKNOWN_SIZE):
        assert (await source.manifest(Descriptor("", digest, size))).raw == IMAGE.root.raw
    with pytest.raises(NotFound):
        await source.manifest(described(b"{}"))


async def test_wrong_bytes_under_a_name(tmp_path: Path) -> None:
    (tmp_path / IMAGE.digest).write_bytes(IMAGE.root.raw + b" ")
    with pytest.raises(InvalidContent, match="digest mismatch"):
        await open_files(tmp_path, Path()).manifest(described(IMAGE.root.raw))


@pytest.mark.parametrize("kind", ["fifo", "loop", "none", "directory"])
async def test_what_is_no_regular_file(kind: str, tmp_path: Path) -> None:
    """As a file of its own it is an error, without waiting for anybody; in a blob index it is of no use."""
    path = tmp_path / "strange"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "directory":
        path.mkdir()
    with anyio.fail_after(5):
        if kind != "directory":
            with pytest.raises(PyskopeoError, match="open .*strange"):
                open_files(path, Path())
        source = BlobFiles("index", {Digest.of(b"a"): path}, is_index=True)
        with pytest.raises((StorageFailed, NotFound)):
            await source.manifest(described(b"a"))


def test_links_in_circles_end_and_strange_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self").symlink_to("self")
    (tmp_path / "a" / "nowhere").symlink_to("nothing")
    os.mkfifo(tmp_path / "a" / "pipe")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(b"x")
    (tmp_path / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "a" / "file").symlink_to(tmp_path / "elsewhere" / "file")
    assert sorted(regular_files(tmp_path / "a")) == [tmp_path / "a" / "file", tmp_path / "a" / "linked" / "file"]


def test_the_digest_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert hash_file(tmp_path / "a") == (Digest.of(b"content"), 7)
    assert hash_file(tmp_path / "a", "sha512")[0] == Digest.of(b"content", "sha512")
