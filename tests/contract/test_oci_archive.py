"""``oci-archive:``: the same image is the same bytes, whoever writes it, when and where."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.errors import DestinationRefused, InvalidContent, InvalidName, NotFound, PathNotFound
from tests.contract.places import EVERYTHING, everything
from tests.contract.reading import layout, read_back, see
from tests.support.images import build, digest_of
from tests.support.outputs import write_layout, write_layout_archive
from tests.support.zstd import zstd

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


async def test_the_members(tmp_path: Path) -> None:
    image = build("oci")
    await pyskopeo.copy(layout(image, tmp_path), f"oci-archive:{tmp_path / 'a.tar'}:t")
    with tarfile.open(tmp_path / "a.tar", "r:") as archive:
        members = {m.name: (m.type, m.mode, m.uid, m.gid, m.uname, m.gname, m.mtime) for m in archive}
        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
    digests = sorted(digest[7:] for digest in (*image.blobs, image.digest))
    nobody = (0, 0, "", "", 0)
    assert members == {
        "blobs": (tarfile.DIRTYPE, 0o755, *nobody),
        "blobs/sha256": (tarfile.DIRTYPE, 0o755, *nobody),
        **{f"blobs/sha256/{digest}": (tarfile.REGTYPE, 0o644, *nobody) for digest in digests},
        "index.json": (tarfile.REGTYPE, 0o644, *nobody),
        "oci-layout": (tarfile.REGTYPE, 0o644, *nobody),
    }
    assert list(members) == ["blobs", "blobs/sha256", *(f"blobs/sha256/{d}" for d in digests), "index.json", "oci-layout"]
    assert index["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "t"}


async def test_members_are_in_order_of_their_names(tmp_path: Path) -> None:
    source = layout(build("oci-index-sha512"), tmp_path)
    await pyskopeo.copy(source, f"oci-archive:{tmp_path / 'a.tar'}:t", selection=EVERYTHING)
    with tarfile.open(tmp_path / "a.tar", "r:") as archive:
        names = archive.getnames()
    assert {"blobs/sha256", "blobs/sha512"} < set(names)
    assert names == sorted(names)


def test_the_same_bytes_whatever_the_time_umask_zone_locale_and_jobs(tmp_path: Path) -> None:
    image = build("oci-index-sha512")
    program = (
        "import os, sys, pyskopeo; from pyskopeo.model.platform import Platform\n"
        "os.umask(int(sys.argv[3], 8)); os.nice(5)\n"
        "pyskopeo.run_copy(sys.argv[1], sys.argv[2], jobs=int(sys.argv[4]),\n"
        "    selection=pyskopeo.Selection(Platform('linux', 'amd64'), 'all'))"
    )
    found = set()
    cases = (("022", 1, "UTC", "C"), ("077", 8, "Asia/Kathmandu", "C.UTF-8"), ("000", 3, "PST8PDT", "de_DE.UTF-8"))
    for number, (umask, jobs, zone, locale) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        source = layout(image, folder)
        for path in folder.rglob("*"):
            os.utime(path, (number * 10**9, number * 10**9))
        subprocess.run(
            [sys.executable, "-c", program, source, f"oci-archive:{folder / 'a.tar'}:t", umask, str(jobs)],
            check=True, cwd=ROOT, env={**os.environ, "TZ": zone, "LC_ALL": locale, "LANG": locale},
        )  # fmt: skip
        found.add(digest_of((folder / "a.tar").read_bytes()))
        time.sleep(0.01)
    assert len(found) == 1


async def test_names_longer_than_a_header_holds(tmp_path: Path) -> None:
    image = build("oci-sha512")
    await pyskopeo.copy(layout(image, tmp_path), f"oci-archive:{tmp_path / 'a.tar'}:t")
    await read_back(f"oci-archive:{tmp_path / 'a.tar'}:t", image)


async def test_an_old_archive_is_replaced_whole_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "a.tar").touch()  # as mktemp leaves it
    for kind, replaced in (("oci-index", False), ("oci", True), ("oci", True)):
        source = layout(build(kind), tmp_path / "x")
        said: list[object] = []
        name = f"oci-archive:{tmp_path / 'a.tar'}"
        await pyskopeo.plan_copy(source, name, selection=EVERYTHING, report=said.append)
        await pyskopeo.copy(source, name, selection=EVERYTHING, report=said.append)
        await read_back(name, build(kind))
        warnings = [event.message for event in said if isinstance(event, pyskopeo.Warned)]
        assert warnings == [
            f"{tmp_path / 'a.tar'} was there already: it {happens} replaced, with all images in it"
            for happens in ("will be", "has been")
        ] * replaced  # fmt: skip


@pytest.mark.parametrize(
    "content", [b"old", gzip.compress(b"old"), bytes(2048), "docker-archive"], ids=["text", "gzip", "zeros", "docker"]
)
async def test_another_file_is_not_replaced(content: bytes | str, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    source = layout(build("oci"), tmp_path / "x")
    if isinstance(content, bytes):
        (tmp_path / "a.tar").write_bytes(content)
    else:
        await pyskopeo.copy(source, f"{content}:{tmp_path / 'a.tar'}:a:1")
    before = everything(tmp_path)
    with pytest.raises(DestinationRefused, match=r"a\.tar is there and is no OCI archive: remove it first, or write to"):
        await pyskopeo.copy(source, f"oci-archive:{tmp_path / 'a.tar'}")
    assert everything(tmp_path) == before


async def test_onto_itself(tmp_path: Path) -> None:
    name = f"oci-archive:{tmp_path / 'a.tar'}:t"
    await pyskopeo.copy(layout(build("oci"), tmp_path), name)
    before = everything(tmp_path)
    await pyskopeo.copy(name, name)
    assert everything(tmp_path) == before


class TestReading:
    async def test_one_that_another_tar_made(self, tmp_path: Path) -> None:
        image = build("oci-index")
        await read_back(f"oci-archive:{write_layout_archive(image, tmp_path / 'a.tar')}:latest", image)

    async def test_names_with_a_dot_and_links(self, tmp_path: Path) -> None:
        image = build("oci")
        path = write_layout(image, tmp_path / "a")
        first = path / "blobs" / "sha256" / image.layer_digests()[0][7:]
        first.rename(path / "elsewhere")
        first.symlink_to("../../elsewhere")
        subprocess.run(["tar", "-C", str(path), "-cf", str(tmp_path / "a.tar"), "."], check=True)
        await read_back(f"oci-archive:{tmp_path / 'a.tar'}", image)

    @pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
    async def test_compressed(self, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
        image = build("oci-index")
        path = write_layout_archive(image, tmp_path / "a.tar")
        path.write_bytes(pack(path.read_bytes()))
        await read_back(f"oci-archive:{path}:latest", image)

    async def test_several_platforms_flat(self, tmp_path: Path) -> None:
        image = build("oci-index")
        path = write_layout(image, tmp_path / "a", tag=None)
        (path / "index.json").write_bytes(image.root.raw)
        subprocess.run(["tar", "-C", str(path), "-cf", str(tmp_path / "a.tar"), *os.listdir(path)], check=True)
        async with pyskopeo.open_source(f"oci-archive:{tmp_path / 'a.tar'}") as source:
            assert (await source.manifest()).raw == image.root.raw

    @pytest.mark.parametrize(
        ("content", "reason"),
        [(b"", "not a tar archive"), (b"nothing of the kind" * 100, "not a tar archive"), (bytes(10240), "no 'index.json'")],
    )
    async def test_what_is_no_archive(self, content: bytes, reason: str, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(content)
        with pytest.raises((InvalidContent, NotFound), match=reason) as caught:
            await see(f"oci-archive:{tmp_path / 'a.tar'}:t")
        assert str(tmp_path / "a.tar") in str(caught.value)

    async def test_cut_short(self, tmp_path: Path) -> None:
        path = write_layout_archive(build("oci"), tmp_path / "a.tar")
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(InvalidContent, match="unexpected end of data"):
            await see(f"oci-archive:{path}")

    async def test_what_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(PathNotFound) as caught:
            await see(f"oci-archive:{tmp_path / 'none.tar'}:t")
        assert caught.value.exit_code == 1
        path = write_layout_archive(build("oci"), tmp_path / "a.tar")
        with pytest.raises(NotFound, match='no descriptor found for reference "other"') as found:
            await see(f"oci-archive:{path}:other")
        assert found.value.exit_code == 2

    async def test_a_member_that_lies_about_its_name(self, tmp_path: Path) -> None:
        image = build("oci")
        out = io.BytesIO()
        path = write_layout_archive(image, tmp_path / "a.tar")
        with tarfile.open(path) as given, tarfile.open(fileobj=out, mode="w") as archive:
            for member in given:
                content = given.extractfile(member).read() if member.isreg() else b""  # type: ignore[union-attr]
                if member.name.endswith(image.layer_digests()[0][7:]):
                    content = bytes(len(content))
                archive.addfile(member, io.BytesIO(content))
        path.write_bytes(out.getvalue())
        with pytest.raises(InvalidContent, match="digest mismatch"):
            await pyskopeo.copy(f"oci-archive:{path}", f"dir:{tmp_path / 'b'}")
        assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["oci-archive:", "oci-archive::t", "oci-archive:p:@0", "oci-archive:p:a b"])
def test_names_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        pyskopeo.parse_image_name(name)


async def test_standard_output_and_input(tmp_path: Path) -> None:
    image = build("oci")
    write = [sys.executable, "-c", "import sys, pyskopeo; pyskopeo.run_copy(*sys.argv[1:])"]
    first = subprocess.Popen([*write, layout(image, tmp_path), "oci-archive:-:t"], stdout=subprocess.PIPE, cwd=ROOT)
    second = subprocess.run([*write, "oci-archive:-:t", f"dir:{tmp_path / 'd'}"], stdin=first.stdout, cwd=ROOT, check=False)
    assert first.stdout is not None
    first.stdout.close()
    assert (first.wait(30), second.returncode) == (0, 0)
    await read_back(f"dir:{tmp_path / 'd'}", image)
