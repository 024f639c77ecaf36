"""The bytes of a layer, in the archive or in a file of their own."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.storage.docker_archive.layer_slots import Stretch
from pyskopeo.storage.tar import TarWriter

START = 1024


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[TarWriter]:
    fd = os.open(tmp_path / "a.tar", os.O_RDWR | os.O_CREAT)
    yield TarWriter.to(fd, tmp_path / "a.tar", ahead=True)
    os.close(fd)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "scratch" / "layer"


def write(stretch: Stretch, content: bytes) -> None:
    stretch.write(memoryview(content))


def test_in_the_archive(archive: TarWriter, own: Path) -> None:
    stretch = Stretch(own, archive, START)
    write(stretch, b"one")
    write(stretch, b"two")
    stretch.complete()
    assert (stretch.within, stretch.size, stretch.end) == (True, 6, START + 6)
    assert archive.path.read_bytes() == bytes(START) + b"onetwo"
    assert os.lseek(archive.file, 0, os.SEEK_CUR) == 0  # where the archive goes on
    stretch.remove()
    assert not own.parent.exists()


def test_in_a_file_of_its_own(own: Path) -> None:
    stretch = Stretch(own)
    write(stretch, b"one")
    write(stretch, b"two")
    stretch.complete()
    assert not stretch.within
    assert own.read_bytes() == b"onetwo"
    assert own.stat().st_mode & 0o777 == 0o600
    stretch.remove()
    assert list(own.parent.iterdir()) == []


def test_a_layer_of_no_bytes_has_its_file(own: Path) -> None:
    stretch = Stretch(own)
    stretch.complete()
    assert own.read_bytes() == b""


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("when", ["at first", "in the middle", "complete"])
def test_it_leaves_the_archive(
    when: str, kernel: bool, archive: TarWriter, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernel:
        def unable(*_: object) -> int:
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(os, "sendfile", unable)
    stretch = Stretch(own, archive, START)
    pieces = [b"x" * 3_000_000, b"y" * 5]
    for number, piece in enumerate(pieces):
        if when == "at first" or (when == "in the middle" and number):
            stretch.leave()
        write(stretch, piece)
    stretch.complete()
    if when == "complete":
        stretch.leave()
    assert not stretch.within
    assert own.read_bytes() == b"".join(pieces)
    assert stretch.size == 3_000_005
    stretch.leave()  # no more than once
    assert own.read_bytes() == b"".join(pieces)


def test_it_leaves_when_it_is_larger_than_was_expected(archive: TarWriter, own: Path) -> None:
    os.pwrite(archive.file, b"next", START + 6)
    stretch = Stretch(own, archive, START)
    assert stretch.end is None
    assert stretch.expect(6)
    assert stretch.end == START + 6
    write(stretch, b"one")
    write(stretch, b"two")
    assert stretch.within
    write(stretch, b"!")
    stretch.complete()
    assert own.read_bytes() == b"onetwo!"
    assert archive.path.read_bytes()[START + 6 :] == b"next"


def test_it_cannot_keep_to_less_than_it_has(archive: TarWriter, own: Path) -> None:
    stretch = Stretch(own, archive, START)
    write(stretch, b"one")
    assert not stretch.expect(2)
    assert stretch.end is None
    write(stretch, b"two")
    assert stretch.within


def test_a_full_disk(archive: TarWriter, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    stretch = Stretch(own, archive, START)
    write(stretch, b"one")
    monkeypatch.setattr(os, "sendfile", full)
    with pytest.raises(StorageFailed, match=r"writing .*/scratch/layer: no space left on device"):
        stretch.leave()
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageFailed, match=r"writing .*/a\.tar: no space left on device"):
        write(stretch, b"two")
    with pytest.raises(StorageFailed, match=r"writing .*/scratch/other: no space left on device"):
        write(Stretch(own.with_name("other")), b"one")


def test_an_archive_that_somebody_cut(archive: TarWriter, own: Path) -> None:
    stretch = Stretch(own, archive, START)
    write(stretch, b"one")
    os.truncate(archive.path, 10)
    with pytest.raises(StorageFailed, match="became shorter while it was written"):
        stretch.leave()
