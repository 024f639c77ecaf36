"""Which files are opened as configuration: none that could keep us waiting."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from pyskopeo.config.user_files import open_user_file


def test_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("f")
    for name in ("f", "link"):
        with open_user_file(tmp_path / name) as file:
            assert file.read() == b"x"
            assert os.get_blocking(file.fileno())
            assert not os.get_inheritable(file.fileno())


def test_a_named_pipe_is_refused(tmp_path: Path) -> None:
    """At once, whether it has a writer or not."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="Is a named pipe, not a regular file"):
            open_user_file(tmp_path / name)


def test_devices_are_refused(tmp_path: Path) -> None:
    for name in ("/dev/zero", "/dev/urandom"):
        with pytest.raises(OSError, match="Is a device, not a regular file"):
            open_user_file(Path(name))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="No such device"):
            open_user_file(tmp_path / "s")


def test_nothing_at_all_is_an_empty_file() -> None:
    with open_user_file(Path(os.devnull)) as file:
        assert file.read() == b""


def test_other_errors_are_those_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_user_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_user_file(tmp_path / "none")


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_what_the_shell_passes_is_read_to_its_end(name: str) -> None:
    """Process substitution: the writer may be slow."""
    reading, writing = os.pipe()

    def write() -> None:
        for piece in (b"a" * 10, b"b" * 10):
            time.sleep(0.05)
            os.write(writing, piece)
        os.close(writing)

    with open_user_file(Path(name.format(reading))) as file:
        writer = threading.Thread(target=write)
        writer.start()
        assert file.read() == b"a" * 10 + b"b" * 10
        writer.join()
    os.close(reading)
