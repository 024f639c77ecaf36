"""Blobs that are links to files of the source: verified before, and never anything else."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import get_args

import pytest

from pyskopeo.access import Reuse
from pyskopeo.errors import ContentMismatch
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Placement
from pyskopeo.storage.existing_blobs import ExistingBlobs
from pyskopeo.storage.oci_layout import located_blob
from pyskopeo.storage.place_blob import place_blob
from pyskopeo.streams.locations import LocalFile
from pyskopeo.streams.progress import uncounted
from pyskopeo.streams.pump import Blob

pytestmark = pytest.mark.anyio
CONTENT = b"some content " * 1000
LINKS: tuple[Reuse, ...] = ("hardlink", "symlink")


def blob_at(path: Path, content: bytes = CONTENT) -> Blob:
    return located_blob(Descriptor("", Digest.of(content), len(content)), LocalFile(path))


async def place(source: Path, path: Path, reuse: Reuse) -> Placement:
    return await place_blob(blob_at(source), path, uncounted, ExistingBlobs(), reuse=reuse)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("reuse", get_args(Reuse))
async def test_each_way_gives_the_content(reuse: Reuse, source: Path, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    placed = await place(source, path, reuse)
    assert placed is (Placement.LINKED if reuse in LINKS else Placement.WRITTEN)
    assert path.read_bytes() == CONTENT
    assert path.is_symlink() == (reuse == "symlink")
    assert (os.stat(path).st_ino == source.stat().st_ino) == (reuse in LINKS)
    assert sorted(os.listdir(tmp_path)) == ["blob", "source"]


@pytest.mark.parametrize("reuse", LINKS)
async def test_what_is_linked_is_the_file_behind_symbolic_links(reuse: Reuse, source: Path, tmp_path: Path) -> None:
    """The link in a sandbox is removed with it; what it leads to is not."""
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "link").symlink_to(source)
    path = tmp_path / "blob"
    assert await place(tmp_path / "sandbox" / "link", path, reuse) is Placement.LINKED
    (tmp_path / "sandbox" / "link").unlink()
    assert path.read_bytes() == CONTENT
    assert reuse == "hardlink" or os.readlink(path) == str(source)


@pytest.mark.parametrize("reuse", get_args(Reuse))
@pytest.mark.parametrize("content", [CONTENT[:-1] + b"X", CONTENT[:-1], CONTENT + b"x"])
async def test_wrong_content_is_never_linked(reuse: Reuse, content: bytes, source: Path, tmp_path: Path) -> None:
    source.write_bytes(content)
    with pytest.raises(ContentMismatch):
        await place(source, tmp_path / "blob", reuse)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("reuse", LINKS)
async def test_another_file_in_its_place_is_replaced(reuse: Reuse, source: Path, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(bytes(len(CONTENT)))
    assert await place(source, path, reuse) is Placement.LINKED
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("reuse", LINKS)
async def test_where_links_cannot_be_it_is_copied(
    reuse: Reuse, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(os, "symlink", fail)
    assert await place(source, tmp_path / "blob", reuse) is Placement.WRITTEN
    assert not (tmp_path / "blob").samefile(source)
    assert sorted(os.listdir(tmp_path)) == ["blob", "source"]


@pytest.mark.parametrize("reuse", LINKS)
async def test_a_file_that_changes_while_it_is_linked(
    reuse: Reuse, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there under the final name is what was verified, or nothing."""
    name = "link" if reuse == "hardlink" else "symlink"
    original = getattr(os, name)

    def changed(*arguments: object, **more: object) -> object:
        source.write_bytes(b"x" * (len(CONTENT) + 1))
        return original(*arguments, **more)

    monkeypatch.setattr(os, name, changed)
    with pytest.raises(ContentMismatch):
        await place(source, tmp_path / "blob", reuse)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("reuse", get_args(Reuse))
async def test_a_part_of_a_file_is_copied(reuse: Reuse, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"head" + CONTENT + b"tail")
    blob = located_blob(
        Descriptor("", Digest.of(CONTENT), len(CONTENT)), LocalFile(tmp_path / "archive", 4, len(CONTENT))
    )
    assert await place_blob(blob, tmp_path / "blob", uncounted, ExistingBlobs(), reuse=reuse) is Placement.WRITTEN
    assert (tmp_path / "blob").read_bytes() == CONTENT
