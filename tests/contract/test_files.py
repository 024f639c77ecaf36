"""The files of an image are the same wherever it lies: every transport that can be read from is a source."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyskopeo
from tests.support.filetrees import contents, directory, file, gone, hard, image, layer, link
from tests.support.outputs import write_layout

from .places import PLACES, Place
from .reading import insecure

pytestmark = pytest.mark.anyio

IMAGE = image(
    layer(directory("etc"), file("etc/a", b"old"), file("etc/b", b"b"), link("l", "etc"), hard("h", "etc/b")),
    layer(directory("etc"), file("etc/a", b"new" * 1000), gone("etc/b")),
    compression=("zstd", "gzip"),
)
FILES = {"etc": "directory", "etc/a": b"new" * 1000, "l": "-> etc", "h": b"b"}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.transport)
async def test_an_image_in_every_place(place: Place, tmp_path: Path) -> None:
    name = place.at(tmp_path / "there")
    (tmp_path / "there").mkdir()
    source = f"oci:{write_layout(IMAGE, tmp_path / 'source')}:latest"
    await pyskopeo.copy(source, name, selection=pyskopeo.Selection(pyskopeo.Platform("linux", "amd64")))
    platform, access = pyskopeo.Platform("linux", "amd64"), insecure()
    if place.transport == "docker-daemon":
        access = pyskopeo.Access.from_environ()
    done = await pyskopeo.extract_files(name, tmp_path / "dest", platform=platform, access=access, hashed=True)
    assert contents(tmp_path / "dest") == FILES
    assert {path for path, _, _ in done.files} == {"etc/a", "h"}
    listed = await pyskopeo.list_files(name, platform=platform, access=access)
    assert {file.path: file.layer for file in listed} == {"etc": 2, "etc/a": 2, "l": 1, "h": 1}
    async with pyskopeo.open_file(name, "l/a", platform=platform, access=access) as opened:
        assert opened.read() == b"new" * 1000


async def test_a_tarball(tmp_path: Path) -> None:
    """An image that is made of archives is one like any other."""
    (tmp_path / "a.tar").write_bytes(layer(file("a", b"1"), file("b", b"2")))
    (tmp_path / "b.tar").write_bytes(layer(file("a", b"new"), gone("b")))
    await pyskopeo.extract_files(f"tarball:{tmp_path}/a.tar:{tmp_path}/b.tar", tmp_path / "dest")
    assert contents(tmp_path / "dest") == {"a": b"new"}
