"""Lock files on disk: replaced as a whole, and only if they are different; devices and pipes are written to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.errors import InvalidContent, StorageFailed, TooLarge
from pyskopeo.model.lock_file import LOCK_LIMIT, LockFile
from pyskopeo.storage.lock_files import read_lock, write_lock

EMPTY = LockFile({}, {})


def test_it_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "images.lock"
    assert write_lock(path, EMPTY)
    os.utime(path, (1, 1))
    assert not write_lock(path, EMPTY)
    assert path.stat().st_mtime == 1
    path.write_bytes(b"something else")
    assert write_lock(path, EMPTY)
    assert read_lock(path) == EMPTY
    assert os.listdir(tmp_path) == ["images.lock"]


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        write_lock(tmp_path / "no" / "images.lock", EMPTY)
    with pytest.raises(StorageFailed):
        write_lock(tmp_path, EMPTY)
    assert tmp_path.is_dir()


def test_a_device_stays_one(tmp_path: Path) -> None:
    assert write_lock(Path("/dev/null"), EMPTY)
    assert Path("/dev/null").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert write_lock(pipe, EMPTY)
        assert os.read(reader, 1000) == EMPTY.to_bytes()
        assert pipe.is_fifo()
    finally:
        os.close(reader)


def test_what_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "images.lock"
    with pytest.raises(StorageFailed, match="no such file"):
        read_lock(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageFailed, match="named pipe"):
        read_lock(tmp_path / "pipe")
    path.write_bytes(b"[]")
    with pytest.raises(InvalidContent, match=str(path)):
        read_lock(path)
    with path.open("wb") as file:
        file.truncate(LOCK_LIMIT * 100)
    with pytest.raises(TooLarge):
        read_lock(path)
