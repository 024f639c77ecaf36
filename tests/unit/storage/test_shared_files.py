"""What images that are copied together share: directories that were made for them, and leftovers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.storage.shared_files import RunFiles


def test_directories_that_stay_empty_are_removed(tmp_path: Path) -> None:
    files = RunFiles(None)
    for name in ("a/b/c", "a/b/d", "a/e"):
        files.make_directory(tmp_path / name)
    (tmp_path / "a" / "e" / "file").touch()
    files.remove_empty_directories()
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/e", "a/e/file"]


def test_directories_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    files = RunFiles(None)
    files.make_directory(tmp_path / "a" / "b")
    files.make_directory(tmp_path / "a")
    files.remove_empty_directories()
    assert list(tmp_path.rglob("*")) == [tmp_path / "a"]


def test_directories_that_are_required_stay(tmp_path: Path) -> None:
    files = RunFiles(None)
    files.make_directory(tmp_path / "a" / "b")
    files.make_directory(tmp_path / "a" / "b", required=True)
    files.make_directory(tmp_path / "a" / "c", required=True)
    files.remove_empty_directories()
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "c"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(StorageFailed, match="creating"):
        RunFiles(None).make_directory(tmp_path / "a" / "b")


def test_leftovers_that_are_gone_are_not_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leftover = tmp_path / ".a.0123456789ab.partial"
    leftover.touch()
    files = RunFiles(None)
    files.remove_leftovers(tmp_path)
    assert not leftover.exists()
    monkeypatch.setattr("pyskopeo.storage.shared_files.remove_leftovers", None)
    files.remove_leftovers(tmp_path)
