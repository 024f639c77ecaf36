"""Small files for the user: also pipes, with and without a reader, and devices."""

from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path

import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.storage.output_file import check_output, replace_output, write_output


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "digest"
    for content in (b"a longer one", b"short"):
        write_output(path, content, "writing")
        assert path.read_bytes() == content


@pytest.mark.parametrize("content", [None, b"", b"old"])
def test_a_check_changes_nothing(content: bytes | None, tmp_path: Path) -> None:
    path, link = tmp_path / "digest", tmp_path / "link"
    link.symlink_to("digest")
    if content is not None:
        path.write_bytes(content)
    for one in (path, link):
        check_output(one, "checking")
        assert (path.read_bytes() if path.exists() else None) == content
    assert link.is_symlink()


def test_a_check_finds_what_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "digest"):
        with pytest.raises(StorageFailed, match=r"^checking: "):
            check_output(path, "checking")


def test_a_pipe_without_a_reader_is_an_error(pipe: Path) -> None:
    with pytest.raises(StorageFailed, match=r"^writing it: the named pipe has no reader$"):
        write_output(pipe, b"digest", "writing it")


def test_a_pipe_gets_more_than_it_holds(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    content, found = os.urandom(500_000), bytearray()

    def read() -> None:
        while piece := os.read(reader, 65536):
            found.extend(piece)

    thread = threading.Thread(target=read)
    check_output(pipe, "checking")  # must not end what the reader reads
    write = threading.Thread(target=write_output, args=(pipe, content, "writing"))
    write.start()
    while not found:
        found.extend(os.read(reader, 1))
    thread.start()
    for one in (write, thread):
        one.join(30)
    os.close(reader)
    assert found == content


def test_a_reader_that_does_not_read_is_an_error(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(StorageFailed, match=r"^writing it: its reader took nothing for 0 seconds$"):
            write_output(pipe, bytes(5_000_000), "writing it", patience=0.05)
    finally:
        os.close(reader)


def test_the_early_check_does_not_touch_a_pipe(pipe: Path, tmp_path: Path) -> None:
    check_output(pipe, "checking")
    check_output(tmp_path / "new", "checking")
    assert not (tmp_path / "new").exists()
    with pytest.raises(StorageFailed, match=re.escape("checking: no such file or directory")):
        check_output(tmp_path / "no" / "file", "checking")


def test_devices_and_open_files(tmp_path: Path) -> None:
    write_output(Path("/dev/null"), b"digest", "writing")
    read, write = os.pipe()
    write_output(Path(f"/dev/fd/{write}"), b"digest", "writing")
    os.close(write)
    assert os.read(read, 100) == b"digest"
    os.close(read)


@pytest.mark.parametrize("old", [None, b"an earlier report"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes | None) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "report.json"
    if old is not None:
        path.write_bytes(old)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageFailed, match=r"^writing it: no space left on device$"):
        replace_output(path, b"a new report", "writing it")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == ({} if old is None else {path.name: old})


def test_a_file_is_replaced_where_a_link_leads_to_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    replace_output(tmp_path / "link", b"new", "writing")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_a_file_in_a_directory_that_allows_no_new_ones_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(os, "replace", busy)
    (tmp_path / "mounted").write_bytes(b"old")
    replace_output(tmp_path / "mounted", b"new", "writing")
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"new"]
