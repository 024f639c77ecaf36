"""Where the output of an archive goes."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
import time
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import DestinationRefused, StorageFailed
from pyskopeo.storage.archive_output import (
    check_descriptor,
    check_output,
    inherited_descriptor,
    is_stream,
    is_written_directly,
    open_output,
)
from pyskopeo.streams.cancellation import run_in_thread

pytestmark = pytest.mark.anyio


class TestOutput:
    def test_streams(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "file").touch()
        assert [is_stream(Path(p)) for p in ("-", "/dev/null", tmp_path / "pipe")] == [True] * 3
        assert [is_stream(p) for p in (tmp_path, tmp_path / "file", tmp_path / "none")] == [False] * 3
        assert all(is_written_directly(Path(p)) for p in ("-", "/dev/stdout", "/dev/stderr", "/dev/fd/3", "/proc/self/fd/3"))
        assert not any(is_written_directly(Path(p)) for p in ("--", "dev/stdout", "/dev/fd/x", "/dev/fd/3/x", "/tmp/-"))

    @pytest.mark.parametrize("replace", [True, False])
    def test_early_refusals(self, replace: bool, tmp_path: Path) -> None:
        with pytest.raises(DestinationRefused, match="is a directory, want the path of a file"):
            check_output(tmp_path, replace=replace)
        with pytest.raises(StorageFailed, match=r"no directory .*/none"):
            check_output(tmp_path / "none" / "a.tar", replace=replace)
        check_output(tmp_path / "a.tar", replace=replace)
        (tmp_path / "a.tar").touch()
        check_output(tmp_path / "a.tar", replace=replace)
        (tmp_path / "a.tar").write_bytes(b"x")
        if replace:
            check_output(tmp_path / "a.tar", replace=replace)
        else:
            wanted = "docker-archive doesn't support modifying existing images: remove it first, or write to another file"
            with pytest.raises(DestinationRefused, match=wanted):
                check_output(tmp_path / "a.tar", replace=replace)
        assert os.listdir(tmp_path) == ["a.tar"]

    def test_a_file_appears_when_it_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tar"
        with open_output(path, replace=False) as (fd, shown):
            os.write(fd, b"x")
            assert shown == path
            assert not path.exists()
        assert path.read_bytes() == b"x"

        def interrupted() -> None:
            with open_output(path, replace=True) as (fd, _):
                os.write(fd, b"new")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert path.read_bytes() == b"x"
        assert os.listdir(tmp_path) == ["a.tar"]

    def test_the_file_behind_a_link_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "link").symlink_to("elsewhere/a.tar")
        with open_output(tmp_path / "link", replace=True) as (fd, _):
            os.write(fd, b"x")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "elsewhere" / "a.tar").read_bytes() == b"x"

    @pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
    def test_a_descriptor_that_a_shell_made_a_file(self, name: str, tmp_path: Path) -> None:
        with (tmp_path / "a.tar").open("wb", buffering=0) as given:
            given.write(b"before ")
            with open_output(Path(name.format(given.fileno())), replace=False) as (fd, _):
                os.write(fd, b"x")
            given.write(b" after")
        assert (tmp_path / "a.tar").read_bytes() == b"before x after"

    def test_a_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            with open_output(tmp_path / "pipe", replace=False) as (fd, _):
                os.write(fd, b"x")
            assert os.read(reading, 10) == b"x"
        finally:
            os.close(reading)
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)

    async def test_a_pipe_that_nobody_reads_yet(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        found: list[bytes] = []

        def read() -> None:
            time.sleep(0.3)
            found.append((tmp_path / "pipe").read_bytes())

        def write() -> None:
            with open_output(tmp_path / "pipe", replace=False) as (fd, _):
                assert os.get_blocking(fd)
                os.write(fd, b"x")

        reader = threading.Thread(target=read)
        reader.start()
        await run_in_thread(write)
        reader.join()
        assert found == [b"x"]

    async def test_waiting_for_a_reader_can_be_cancelled(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")

        def write() -> None:
            with open_output(tmp_path / "pipe", replace=False):
                raise AssertionError("nobody reads it")

        with anyio.fail_after(20), anyio.move_on_after(0.1) as scope:
            await run_in_thread(write)
        assert scope.cancelled_caught


class TestDescriptors:
    @pytest.mark.parametrize(
        ("name", "number"),
        [("-", 7), ("/dev/stdin", 0), ("/dev/stdout", 1), ("/dev/stderr", 2), ("/dev/fd/5", 5), ("/proc/self/fd/6", 6), ("a", None)],
    )  # fmt: skip
    def test_what_names_one(self, name: str, number: int | None) -> None:
        assert inherited_descriptor(Path(name), dash=7) == number

    def test_one_that_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        unused = os.dup(1)
        os.close(unused)
        with pytest.raises(StorageFailed, match=r"writing /dev/fd/x: bad file descriptor"):
            check_descriptor(unused, Path("/dev/fd/x"), writing=True)
        # It was closed when the program was started, and is something else by now.
        for number, name in enumerate(("__stdin__", "__stdout__", "__stderr__")):
            with monkeypatch.context() as patch:
                patch.setattr(sys, name, None)
                with pytest.raises(StorageFailed, match="bad file descriptor"):
                    check_descriptor(number, Path("it"), writing=number > 0)

    @pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
    def test_standard_output_that_is_closed(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "__stdout__", None)
        with pytest.raises(StorageFailed, match=r"^writing /dev/stdout: bad file descriptor$"):
            check_output(Path(name), replace=True)

    def test_one_for_the_other_direction(self) -> None:
        """Nothing would ever come, nor could be written: waiting for that would not end."""
        reading, writing = os.pipe()
        for number, wanted in ((reading, False), (writing, True)):
            check_descriptor(number, Path("it"), writing=wanted)
            with pytest.raises(StorageFailed, match="bad file descriptor"):
                check_descriptor(number, Path("it"), writing=not wanted)
            os.close(number)

    def test_one_of_the_programs_own(self) -> None:
        """The event loop has sockets; a shell's are inherited."""
        own, other = socket.socketpair()
        with own, other:
            with pytest.raises(StorageFailed, match="bad file descriptor"):
                check_descriptor(own.fileno(), Path("it"), writing=True)
            own.set_inheritable(True)
            check_descriptor(own.fileno(), Path("it"), writing=True)
