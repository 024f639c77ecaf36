"""Second names and shared blocks for files that were verified, and for no others."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from pyskopeo.storage.verified_links import clone_verified, link_verified
from pyskopeo.streams.locations import LocalFile

CONTENT = b"content " * 1000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def verified(path: Path, *, linkable: bool = True) -> LocalFile:
    return LocalFile(path, linkable=linkable, verified=path.stat())


@pytest.mark.parametrize("before", [None, b"what was there"])
def test_a_link(source: Path, tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "path"
    if before is not None:
        path.write_bytes(before)
    assert link_verified(verified(source), path)
    assert path.samefile(source)
    assert sorted(os.listdir(tmp_path)) == ["path", "source"]


def test_a_link_that_is_there(source: Path, tmp_path: Path) -> None:
    os.link(source, tmp_path / "path")
    assert link_verified(verified(source), tmp_path / "path")
    assert link_verified(verified(source), source)
    assert sorted(os.listdir(tmp_path)) == ["path", "source"]


def test_what_is_not_linked(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    path = tmp_path / "path"
    gone = LocalFile(tmp_path / "gone", linkable=True, verified=source.stat())
    through_a_link = LocalFile(tmp_path / "link", linkable=True, verified=source.stat())
    for location in (LocalFile(source, linkable=True), verified(source, linkable=False), gone, through_a_link):
        assert not link_verified(location, path)
    changed = verified(source)
    source.write_bytes(CONTENT[::-1])
    assert not link_verified(changed, path)
    assert sorted(os.listdir(tmp_path)) == ["link", "source"]


def cloning(fd: int, request: int, source: int) -> int:
    os.pwrite(fd, os.pread(source, 1_000_000, 0), 0)
    return 0


def test_a_clone(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "ioctl", cloning)
    fd = os.open(tmp_path / "path", os.O_RDWR | os.O_CREAT)
    try:
        assert not clone_verified(verified(source, linkable=False), fd)
        assert not clone_verified(LocalFile(source, linkable=True), fd)
        changed = verified(source)
        os.utime(source, ns=(0, 0))
        assert not clone_verified(changed, fd)
        assert os.fstat(fd).st_size == 0
        assert clone_verified(verified(source), fd)
        assert (tmp_path / "path").read_bytes() == CONTENT
    finally:
        os.close(fd)


def test_a_file_system_without_clones(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    fd = os.open(tmp_path / "path", os.O_RDWR | os.O_CREAT)
    try:
        assert not clone_verified(verified(source), fd)
        assert not clone_verified(LocalFile(tmp_path / "gone", linkable=True, verified=source.stat()), fd)
    finally:
        os.close(fd)
