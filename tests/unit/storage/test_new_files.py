"""Files that are created whole, and replace nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.storage.new_files import create_file


def no_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


LINKS = pytest.mark.parametrize("links", [True, False])


@LINKS
def test_a_new_file(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    create_file(tmp_path / "new", b"content", 0o600, "writing it")
    assert (tmp_path / "new").read_bytes() == b"content"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["new"]


@LINKS
def test_nothing_is_replaced(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("target", "link"):
        with pytest.raises(StorageFailed, match="writing it: file exists"):
            create_file(tmp_path / name, b"content", 0o600, "writing it")
    assert (tmp_path / "target").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


def test_nothing_is_left_of_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageFailed, match="writing it: no space left on device"):
        create_file(tmp_path / "new", b"content", 0o600, "writing it")
    assert os.listdir(tmp_path) == []
    with pytest.raises(StorageFailed, match="writing it: no such file or directory"):
        create_file(tmp_path / "none" / "new", b"content", 0o600, "writing it")
