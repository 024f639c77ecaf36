"""The bytes of a layer, in the archive or in a temporary file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.storage.docker_archive.layer_slots import LayerSlot
from pyskopeo.storage.tar import TarWriter

START = 1024


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[TarWriter]:
    fd = os.open(tmp_path / "a.tar", os.O_RDWR | os.O_CREAT)
    yield TarWriter.to(fd, tmp_path / "a.tar", out_of_order=True)
    os.close(fd)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "scratch" / "layer"


def write(slot: LayerSlot, content: bytes) -> None:
    slot.write(memoryview(content))


def test_in_the_archive(archive: TarWriter, own: Path) -> None:
    slot = LayerSlot(own, archive, START)
    write(slot, b"one")
    write(slot, b"two")
    slot.complete()
    assert (slot.in_archive, slot.size, slot.end) == (True, 6, START + 6)
    assert archive.path.read_bytes() == bytes(START) + b"onetwo"
    assert os.lseek(archive.file, 0, os.SEEK_CUR) == 0  # where the archive goes on
    slot.remove()
    assert not own.parent.exists()


def test_in_a_temporary_file(own: Path) -> None:
    slot = LayerSlot(own)
    write(slot, b"one")
    write(slot, b"two")
    slot.complete()
    assert not slot.in_archive
    assert own.read_bytes() == b"onetwo"
    assert own.stat().st_mode & 0o777 == 0o600
    slot.remove()
    assert list(own.parent.iterdir()) == []


def test_a_layer_of_no_bytes_has_its_file(own: Path) -> None:
    slot = LayerSlot(own)
    slot.complete()
    assert own.read_bytes() == b""


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("when", ["at first", "in the middle", "complete"])
def test_it_is_moved_out_of_the_archive(
    when: str, kernel: bool, archive: TarWriter, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernel:
        def unable(*_: object) -> int:
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(os, "sendfile", unable)
    slot = LayerSlot(own, archive, START)
    pieces = [b"x" * 3_000_000, b"y" * 5]
    for number, piece in enumerate(pieces):
        if when == "at first" or (when == "in the middle" and number):
            slot.move_out()
        write(slot, piece)
    slot.complete()
    if when == "complete":
        slot.move_out()
    assert not slot.in_archive
    assert own.read_bytes() == b"".join(pieces)
    assert slot.size == 3_000_005
    slot.move_out()  # no more than once
    assert own.read_bytes() == b"".join(pieces)


@pytest.mark.parametrize("place", ["archive", "left", "own"])
def test_it_begins_anew(place: str, archive: TarWriter, own: Path) -> None:
    """What was written before was wrong, and longer: in the archive what follows will cover it."""
    slot = LayerSlot(own, None if place == "own" else archive, START)
    write(slot, b"wrong and long")
    if place == "left":
        slot.move_out()
    slot.restart()
    assert slot.size == 0
    write(slot, b"ri")
    write(slot, b"ght")
    slot.complete()
    assert (slot.in_archive, slot.size) == (place == "archive", 5)
    if place == "archive":
        assert archive.path.read_bytes()[START:].startswith(b"right")
        slot.move_out()
    assert own.read_bytes() == b"right"


def test_it_is_moved_out_when_it_exceeds_its_limit(archive: TarWriter, own: Path) -> None:
    os.pwrite(archive.file, b"next", START + 6)
    slot = LayerSlot(own, archive, START)
    assert slot.end is None
    assert slot.set_limit(6)
    assert slot.end == START + 6
    write(slot, b"one")
    write(slot, b"two")
    assert slot.in_archive
    write(slot, b"!")
    slot.complete()
    assert own.read_bytes() == b"onetwo!"
    assert archive.path.read_bytes()[START + 6 :] == b"next"


def test_a_limit_below_its_size_is_refused(archive: TarWriter, own: Path) -> None:
    slot = LayerSlot(own, archive, START)
    write(slot, b"one")
    assert not slot.set_limit(2)
    assert slot.end is None
    write(slot, b"two")
    assert slot.in_archive


def test_a_full_disk(archive: TarWriter, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    slot = LayerSlot(own, archive, START)
    write(slot, b"one")
    monkeypatch.setattr(os, "sendfile", full)
    with pytest.raises(StorageFailed, match=r"writing .*/scratch/layer: no space left on device"):
        slot.move_out()
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageFailed, match=r"writing .*/a\.tar: no space left on device"):
        write(slot, b"two")
    with pytest.raises(StorageFailed, match=r"writing .*/scratch/other: no space left on device"):
        write(LayerSlot(own.with_name("other")), b"one")


def test_an_archive_that_somebody_cut(archive: TarWriter, own: Path) -> None:
    slot = LayerSlot(own, archive, START)
    write(slot, b"one")
    os.truncate(archive.path, 10)
    with pytest.raises(StorageFailed, match="became shorter while it was written"):
        slot.move_out()


@pytest.mark.parametrize("place", ["own", "archive"])
def test_what_an_interrupted_run_has_written_is_read(place: str, archive: TarWriter, own: Path) -> None:
    content = bytes(range(200))
    if place == "own":
        own.parent.mkdir(exist_ok=True)
        own.write_bytes(content)
    else:
        os.pwrite(archive.file, content, START)
    slot = LayerSlot.kept(own, None if place == "own" else archive, START, len(content))
    buffer = memoryview(bytearray(1000))
    assert (slot.read_at(buffer, 50), bytes(buffer[:150])) == (150, content[50:])
    assert slot.read_at(buffer, len(content)) == 0
    assert slot.in_archive == (place == "archive")
    slot.move_out()  # another layer needs the space, meanwhile
    assert (slot.read_at(buffer, 0), bytes(buffer[:200])) == (200, content)
    slot.complete()
    assert own.read_bytes() == content
    slot.remove()
    assert not own.exists()


def test_one_that_was_removed_is_not_moved_out(archive: TarWriter, own: Path) -> None:
    """The thread that appends another layer may have been about to, and the layer be fetched again to the same file."""
    slot = LayerSlot(own, archive, START)
    write(slot, b"content")
    slot.remove()
    slot.move_out()
    assert not own.parent.exists()
