"""Archives that attack: nothing but the image comes out of them, and no two programs find two images in them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import pyskopeo
from pyskopeo.engine.plan import Form
from pyskopeo.errors import InvalidContent, NotFound, PyskopeoError
from pyskopeo.storage import tar_headers
from pyskopeo.storage.docker_archive import reader
from pyskopeo.storage.tar import Member
from pyskopeo.streams.plain_content import InflatedTotal
from tests.contract.reading import read_layers, see
from tests.support.archives import Extra, archive_of, docker_members, hardlink, item, layout_members, symlink, tar
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.zstd import zstd

pytestmark = pytest.mark.anyio
TRANSPORTS = ["docker-archive", "oci-archive"]
IMAGE = build("oci-uncompressed")


def changed(name: str, **fields: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def escapes(outside: Path) -> dict[str, list[Extra]]:
    """By their ids, members that have let programs write outside the directory where they unpacked an archive."""
    deep = "/".join(["d" * 200] * 15)
    up = "/".join([".."] * 30)
    return {
        "CVE-2007-4559": [("../outside/new", b"x"), (f"{outside}/new", b"x"), (f"a/../../../{outside.name}/file", b"x")],
        "CVE-2014-6407": [symlink("a", str(outside)), ("a/new", b"x"), hardlink("b", f"{outside}/file"), ("b", b"x")],
        "CVE-2014-9356": [symlink("blobs2", "/"), (f"blobs2{outside}/new", b"x")],
        "CVE-2014-9358": [("../../outside/layer.tar", b"x"), ("repositories", b'{"../../outside":{"..":"../new"}}')],
        "CVE-2021-21272": [symlink("link", "../outside"), ("link/new", b"x"), hardlink("hard", "link/file"), ("hard", b"x")],
        "CVE-2021-29136": [symlink(".", str(outside)), symlink("/.", str(outside)), ("./new", b"x")],
        "CVE-2024-12718": [
            changed("../outside/file", mode=0o777, mtime=1, uid=1, gid=1),
            changed("../outside", type=tarfile.DIRTYPE, mode=0o777, mtime=1),
        ],
        "CVE-2025-4138": [symlink(f"{deep}/a", f"{up}{outside}"), (f"{deep}/a/new", b"x")],
        "CVE-2025-4330": [symlink("deep", deep), symlink("deep/out", f"deep/{up}{outside}"), ("deep/out/new", b"x")],
        "CVE-2025-4435": [("../refused", b"x"), changed("device", type=tarfile.CHRTYPE), symlink("new", str(outside))],
        "CVE-2025-4517": [symlink("deep", deep), symlink("escape", f"deep/{up}{outside}/file"), hardlink("out", "escape"), ("out", b"x")],
    }  # fmt: skip


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that is in a folder, and what an unpacked archive might have changed of it."""
    return {
        str(path.relative_to(folder)): (
            stat.S_IMODE(path.lstat().st_mode), path.lstat().st_mtime_ns, path.is_symlink(),
            path.read_bytes() if path.is_file() else None,
        )
        for path in (folder, *folder.rglob("*"))
    }  # fmt: skip


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("advisory", escapes(Path("/outside")))
async def test_no_member_is_unpacked(advisory: str, transport: str, order: str, tmp_path: Path) -> None:
    """Members are read in place, and only those that the image consists of."""
    outside, there = tmp_path / "outside", tmp_path / "there"
    for folder in (outside, there):
        folder.mkdir()
    (outside / "file").write_bytes(b"as it was")
    (outside / "file").chmod(0o600)
    (there / "a.tar").write_bytes(archive_of(IMAGE, transport, **{order: escapes(outside)[advisory]}))
    before = state(tmp_path)
    await read_layers(f"{transport}:{there / 'a.tar'}", IMAGE)
    assert state(tmp_path) == before
    (there / "b").mkdir()
    name = f"{transport}:{there / 'a.tar'}"
    await pyskopeo.copy(name, f"oci:{there / 'b' / 'layout'}:1", form=Form(keep_plain=True))
    assert state(outside) == {
        key.partition("/")[2] or ".": value for key, value in before.items() if key.split("/")[0] == "outside"
    }
    assert sorted(os.listdir(tmp_path)) == ["outside", "there"]
    assert sorted(os.listdir(there)) == ["a.tar", "b"]
    await read_layers(f"oci:{there / 'b' / 'layout'}:1", IMAGE)


@pytest.mark.parametrize("where", ["Config", "Layers"])
async def test_names_in_the_manifest_are_names_of_members(where: str, tmp_path: Path) -> None:
    """CVE-2014-9358: names out of an archive, taken for paths on the disk."""
    secret = tmp_path / "secret"
    secret.write_bytes(IMAGE.config() if where == "Config" else IMAGE.tars[IMAGE.layer_digests()[0]])
    for name in (str(secret), "../secret", f"a/../..{secret}"):
        value = name if where == "Config" else [name, *item(IMAGE)["Layers"][1:]]
        manifest = json.dumps([item(IMAGE, **{where: value})]).encode()
        (tmp_path / "a.tar").write_bytes(tar(*docker_members(IMAGE, manifest), symlink("secret", str(secret))))
        with pytest.raises(NotFound, match=r"a\.tar: no '.*secret' in this archive"):
            await see(f"docker-archive:{tmp_path / 'a.tar'}")


@pytest.mark.parametrize(
    "links",
    [
        [symlink("manifest.json", "manifest.json")],
        [symlink("manifest.json", "./b"), symlink("b", "c"), hardlink("c", "manifest.json")],
        [hardlink("manifest.json", "manifest.json")],
        [symlink("manifest.json", "l0"), *(symlink(f"l{n}", f"l{n + 1}") for n in range(5000))],
    ],
)
async def test_links_in_a_circle(links: list[Extra], tmp_path: Path) -> None:
    """go-containerregistry 2232: a stack overflow."""
    members = [member for member in docker_members(IMAGE) if member[0] != "manifest.json"]
    (tmp_path / "a.tar").write_bytes(tar(*members, *links))
    with pytest.raises(InvalidContent, match="links lead in a circle at 'manifest.json'"):
        await see(f"docker-archive:{tmp_path / 'a.tar'}")


OTHER = build(ImageSpec("oci", layers=(LayerSpec("other", compression="none"),)))


def utf(encoding: str) -> bytes:
    return json.dumps([item(IMAGE)]).encode(encoding)


def twice(key: str, other: object) -> bytes:
    """An entry that has a key twice, with two values."""
    return json.dumps([item(IMAGE)]).replace("[{", f'[{{"{key}": {json.dumps(other)}, ', 1).encode()


DOCKER = {
    "two-manifests": tar(*docker_members(OTHER), *docker_members(IMAGE)),
    "two-manifests-again": tar(*docker_members(OTHER), *docker_members(IMAGE), *docker_members(OTHER)),
    "manifest-and-link": tar(*docker_members(IMAGE), ("other", b"[]"), symlink("./manifest.json", "other")),
    "manifest-under-another-name": tar(*docker_members(IMAGE), ("x/../manifest.json", b"[]")),
    "two-configurations": tar(*docker_members(IMAGE), (item(IMAGE)["Config"], OTHER.config())),
    "two-layers": tar((item(IMAGE)["Layers"][0], b"x" * 600), *docker_members(IMAGE)),
    "config-twice": tar(*docker_members(IMAGE, twice("Config", "x.json"))),
    "layers-twice": tar(*docker_members(IMAGE, twice("Layers", []))),
    "tags-twice": tar(*docker_members(IMAGE, twice("RepoTags", ["b:1"]))),
    "layers-in-another-case": tar(*docker_members(IMAGE, twice("layers", []))),
    "tags-in-another-case": tar(*docker_members(IMAGE, twice("repoTag\u017f", ["b:1"]))),
    "config-in-another-case-alone": tar(*docker_members(IMAGE, twice("x", 1).replace(b'"Config"', b'"CONFIG"'))),
    "utf-16": tar(*docker_members(IMAGE, utf("utf-16"))),
    "utf-16-le": tar(*docker_members(IMAGE, utf("utf-16-le"))),
    "utf-32": tar(*docker_members(IMAGE, utf("utf-32-be"))),
    "byte-order-mark": tar(*docker_members(IMAGE, utf("utf-8-sig"))),
    "nan": tar(*docker_members(IMAGE, b'[{"Config":NaN}]')),
    "not-utf-8": tar(*docker_members(IMAGE, b'[{"Config":"\xff"}]')),
}


@pytest.mark.parametrize("name", DOCKER)
async def test_a_docker_archive_holds_one_image(name: str, tmp_path: Path) -> None:
    """Some programs take the first of two members or keys, and others the last."""
    (tmp_path / "a.tar").write_bytes(DOCKER[name])
    with pytest.raises(InvalidContent, match=r"a\.tar: ") as caught:
        await pyskopeo.copy(f"docker-archive:{tmp_path / 'a.tar'}", f"dir:{tmp_path / 'd'}")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["a.tar"]


LAYOUT = {
    "two-indexes": tar(*layout_members(OTHER), *layout_members(IMAGE)),
    "two-kinds-of-layout": tar(*layout_members(IMAGE), ("./oci-layout", b'{"imageLayoutVersion":"2.0.0"}')),
    "index-and-link": tar(*layout_members(IMAGE), symlink("index.json", "oci-layout")),
    "two-contents-of-a-blob": tar(*layout_members(IMAGE), (layout_members(IMAGE)[0][0], b"x")),
}


@pytest.mark.parametrize("name", LAYOUT)
async def test_an_oci_archive_holds_one_layout(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(LAYOUT[name])
    with pytest.raises(InvalidContent, match=r"a\.tar: '.*' is in this archive more than once, with different content"):
        await pyskopeo.copy(f"oci-archive:{tmp_path / 'a.tar'}", f"dir:{tmp_path / 'd'}")
    assert os.listdir(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_is_repeated_does_no_harm(transport: str, tmp_path: Path) -> None:
    """Old versions of ``docker save`` repeat layers of several images."""
    members = docker_members(IMAGE) if transport == "docker-archive" else layout_members(IMAGE)
    (tmp_path / "a.tar").write_bytes(tar(*members, *members, *members[::-1]))
    await read_layers(f"{transport}:{tmp_path / 'a.tar'}", IMAGE)


async def test_a_tag_of_two_images(tmp_path: Path) -> None:
    """Some programs load the first one, some the last one under this name."""
    entries = [item(IMAGE), item(OTHER), item(IMAGE, RepoTags=["b:1"]), item(OTHER, RepoTags=["c:1", "c:1"])]
    members = {**dict(docker_members(OTHER)), **dict(docker_members(IMAGE, json.dumps(entries).encode()))}
    (tmp_path / "a.tar").write_bytes(tar(*members.items()))
    with pytest.raises(InvalidContent, match=r"gives 2 images the tag docker\.io/library/a:1: choose one by its position"):
        await see(f"docker-archive:{tmp_path / 'a.tar'}:a:1")
    for name, image in (("@0", IMAGE), ("@1", OTHER), ("b:1", IMAGE), ("c:1", OTHER)):
        await read_layers(f"docker-archive:{tmp_path / 'a.tar'}:{name}", image)


def header(kind: bytes, size: int, content: bytes = b"") -> bytes:
    member = tarfile.TarInfo("a")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


# An archive with as many headers as there may be takes seconds to read: most tests have a lower limit.
MEMBERS = 2000
GLOBAL = header(b"g", 9, b"9 a=bcde\n")
HEADERS = {
    "CVE-2024-6232": header(b"x", 80_000, b"1" * 80_000),
    "CVE-2025-8194": header(b"0", 0) + changed("b", pax_headers={"size": "-1024"}).tobuf(tarfile.PAX_FORMAT),
    "stacked-long-names": header(b"L", 2, b"x\0") * 400,
    "stacked-long-links": header(b"K", 2, b"x\0") * 400,
    "stacked-pax": header(b"x", 9, b"9 a=bcde\n") * 400,
    "stacked-global": GLOBAL * (MEMBERS + 1),
    "stacked-all": (header(b"L", 2, b"x\0") + header(b"K", 2, b"x\0") + header(b"x", 9, b"9 a=bcde\n")) * 400,
    "long-pax": header(b"x", 2**30, bytes(2**21)),
    "long-name": header(b"L", 2**30, bytes(2**21)),
    "many-long-names": (header(b"L", 2**20, b"n" * 2**20) + header(b"0", 0)) * 80,
    "sparse": header(b"S", 0),
}


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes, "gzip": lambda data: gzip.compress(data, 1), "zstd": zstd.compress, "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "how"),
    [*((name, how) for name in HEADERS for how in ("plain", "gzip")), *(("CVE-2024-6232", how) for how in PACKERS)],
)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_headers_that_attack_are_one_line(
    name: str, transport: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_headers, "MOST_MEMBERS", MEMBERS)
    (tmp_path / "a.tar").write_bytes(PACKERS[how](HEADERS[name] + archive_of(IMAGE, transport)))
    with pytest.raises(PyskopeoError, match=r"^\S*\.tar[ :]") as caught:
        await see(f"{transport}:{tmp_path / 'a.tar'}")
    assert isinstance(caught.value, InvalidContent)
    assert str(caught.value).isprintable()
    assert os.listdir(tmp_path) == ["a.tar"]


def test_headers_are_not_read_for_ever(tmp_path: Path) -> None:
    """The limit as it is, once."""
    (tmp_path / "a.tar").write_bytes(GLOBAL * (tar_headers.MOST_MEMBERS + 1) + archive_of(IMAGE, "docker-archive"))
    with pytest.raises(InvalidContent, match=r"a\.tar has over 200000 members"):
        anyio.run(see, f"docker-archive:{tmp_path / 'a.tar'}")


async def test_one_layer_for_many_is_expanded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expanded: list[str] = []
    real = reader._inflated_size

    def counted(path: Path, member: Member, name: str, total: InflatedTotal) -> int:
        expanded.append(name)
        return real(path, member, name, total)

    monkeypatch.setattr(reader, "_inflated_size", counted)
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [f"sha256:{n:064x}" for n in range(5000)]}}).encode()
    manifest = json.dumps([{"Config": "c", "RepoTags": [], "Layers": ["l", "m"] * 2500}]).encode()
    packed = gzip.compress(bytes(1_000_000))
    (tmp_path / "a.tar").write_bytes(tar(("c", config), ("manifest.json", manifest), ("l", packed), symlink("m", "./l")))
    await see(f"docker-archive:{tmp_path / 'a.tar'}")
    assert expanded == ["l"]
