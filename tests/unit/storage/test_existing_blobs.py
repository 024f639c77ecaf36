"""Whether a file is the blob that it should be is decided by its content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.storage import existing_blobs
from pyskopeo.storage.existing_blobs import ExistingBlobs
from pyskopeo.storage.files import open_regular
from pyskopeo.storage.verified_files import RECORDED_SIZE

pytestmark = pytest.mark.anyio
SMALL, LARGE = b"some content", b"x" * (RECORDED_SIZE + 1)


def described(content: bytes) -> Descriptor:
    return Descriptor("", Digest.of(content), len(content))


@pytest.mark.parametrize("content", [SMALL, LARGE])
async def test_the_content_decides(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "blob"
    assert not await ExistingBlobs().holds(path, described(content))
    path.write_bytes(bytes(len(content)))
    assert not await ExistingBlobs().holds(path, described(content))
    path.write_bytes(content + b"x")
    assert not await ExistingBlobs().holds(path, described(content))
    path.write_bytes(content)
    assert await ExistingBlobs().holds(path, described(content))
    assert not await ExistingBlobs().holds(tmp_path, described(content))
    assert not await ExistingBlobs().holds(path / "below a file", described(content))


async def test_a_blob_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, existing, read = tmp_path / "blob", ExistingBlobs(), list[Path]()

    def watched(path: Path) -> int:
        read.append(path)
        return open_regular(path)

    monkeypatch.setattr(existing_blobs, "open_regular", watched)
    path.write_bytes(LARGE)
    for _ in range(3):
        assert await existing.holds(path, described(LARGE))
    assert read == [path]
    always = ExistingBlobs(existing.verified, always=True)
    for _ in range(3):
        assert await always.holds(path, described(LARGE))
    assert read == [path] * 4


async def test_wrong_content_is_said_once(tmp_path: Path) -> None:
    path, said = tmp_path / "blob", list[str]()
    path.write_bytes(bytes(len(SMALL)))
    existing = ExistingBlobs(warn=said.append)
    for _ in range(3):
        assert not await existing.holds(path, described(SMALL))
    assert said == [f"{path} has the size of blob {Digest.of(SMALL)} but other content, so it is written again"]


async def test_a_file_that_was_moved_or_linked_is_known(tmp_path: Path) -> None:
    path, existing, digest = tmp_path / "blob", ExistingBlobs(), Digest.of(SMALL)
    path.write_bytes(SMALL)
    before = path.stat()
    os.link(path, tmp_path / "link")
    path.rename(tmp_path / "moved")
    for name in ("link", "moved"):
        existing.moved(before, tmp_path / name, digest)
        assert existing.verified.vouches((tmp_path / name).stat(), digest)


async def test_a_file_that_changed_when_it_was_moved_is_not_known(tmp_path: Path) -> None:
    path, existing, digest = tmp_path / "blob", ExistingBlobs(), Digest.of(SMALL)
    path.write_bytes(SMALL)
    before = path.stat()
    path.write_bytes(bytes(len(SMALL)))
    os.utime(path, (1, 1))
    existing.moved(before, path, digest)
    assert not existing.verified.vouches(path.stat(), digest)
    existing.moved(before, tmp_path / "none", digest)
