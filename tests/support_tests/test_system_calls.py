"""The system calls that tests let fail."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from tests.support.system_calls import NAMES, WRITES, DiskFull, Failing, Killing, Moment, SystemCalls

FLAGS = os.O_RDWR | os.O_CREAT


def write_all(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]


def test_calls_are_counted(tmp_path: Path) -> None:
    with SystemCalls() as calls:
        fd = os.open(tmp_path / "a", FLAGS)
        os.write(fd, b"abc")
        os.pwrite(fd, memoryview(b"de"), 3)
        assert os.pread(fd, 10, 0) == b"abcde"
        os.close(fd)
        Path(tmp_path / "a").rename(tmp_path / "b")
    assert calls.made == {"open": 1, "write": 1, "pwrite": 1, "pread": 1, "rename": 1}
    assert (calls.written, calls.changes) == (5, 4)
    assert os.write.__module__ == "posix"


def test_pipes_and_readers_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    reading, writing = os.pipe()
    with SystemCalls(Failing((*NAMES, *WRITES), 0, lasting=True)) as calls:
        os.write(writing, b"x")
        os.close(os.open(tmp_path / "a", os.O_RDONLY))
    os.close(reading)
    os.close(writing)
    assert calls.made == {}


def test_a_disk_that_is_full_takes_what_fits(tmp_path: Path) -> None:
    fd, incident = os.open(tmp_path / "a", FLAGS), DiskFull(5)
    with SystemCalls(incident), pytest.raises(OSError) as caught:
        write_all(fd, b"abcdefgh")
    os.close(fd)
    assert caught.value.errno == errno.ENOSPC
    assert (tmp_path / "a").read_bytes() == b"abcde"
    assert incident.happened


def test_a_full_disk_and_copies_in_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abcdefgh")
    source, target = os.open(tmp_path / "a", os.O_RDONLY), os.open(tmp_path / "b", FLAGS)
    with SystemCalls(DiskFull(5)):
        assert os.copy_file_range(source, target, 8, 0) == 5
        with pytest.raises(OSError, match="No space left"):
            os.copy_file_range(source, target, 3, 5)
        with pytest.raises(OSError, match="No space left"):
            os.sendfile(target, source, 0, 3)
    os.close(source)
    os.close(target)
    assert (tmp_path / "b").read_bytes() == b"abcde"


@pytest.mark.parametrize("lasting", [False, True])
def test_one_call_fails_or_all_from_then_on(tmp_path: Path, lasting: bool) -> None:
    incident = Failing(("mkdir",), 1, errno.EIO, lasting=lasting)
    failed = []
    with SystemCalls(incident):
        for name in "abc":
            try:
                os.mkdir(tmp_path / name)
            except OSError as error:
                failed.append((name, error.errno))
    assert failed == [(name, errno.EIO) for name in ("bc" if lasting else "b")]
    assert incident.happened


def _written(folder: str, at: int, moment: Moment) -> None:
    with SystemCalls(Killing(at, moment)):
        fd = os.open(os.path.join(folder, "a"), FLAGS)
        os.write(fd, b"abcd")
        os.replace(os.path.join(folder, "a"), os.path.join(folder, "b"))


@pytest.mark.parametrize(
    ("at", "moment", "left"),
    [
        (0, "before", {}),
        (0, "after", {"a": b""}),
        (1, "before", {"a": b""}),
        (1, "middle", {"a": b"ab"}),
        (1, "after", {"a": b"abcd"}),
        (2, "before", {"a": b"abcd"}),
        (2, "after", {"b": b"abcd"}),
    ],
)
def test_a_process_is_killed(tmp_path: Path, at: int, moment: Moment, left: dict[str, bytes]) -> None:
    process = multiprocessing.get_context("forkserver").Process(target=_written, args=(str(tmp_path), at, moment))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == left
