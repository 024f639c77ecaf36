"""Output that nobody reads to its end."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tarfile
import termios
import time
from pathlib import Path

import pytest

from tests.support.commands import PYSKOPEO, environment, started
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir
from tests.support.processes import wait_until
from tests.support.trees import tree


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_dir(build("oci-index"), tmp_path / "image")


def test_an_output_that_nobody_reads_to_its_end(image: Path) -> None:
    """As in ``pyskopeo inspect ... | head -1``: no traceback, no success."""
    read, write = os.pipe()
    os.close(read)
    for words in (["inspect", f"dir:{image}"], ["inspect", "--raw", f"dir:{image}"], ["--help"]):
        done = subprocess.run(
            [*PYSKOPEO, *words], stdout=write, stderr=subprocess.PIPE, env=environment(), timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (1, b""), words
    os.close(write)


def test_an_error_that_nobody_reads() -> None:
    """As in ``pyskopeo inspect ... 2>&1 | true``: the exit code is the command's own."""
    read, write = os.pipe()
    os.close(read)
    for words in (["inspect", "dir:/nonexistent"], ["nonsense"]):
        done = subprocess.run([*PYSKOPEO, *words], stdout=write, stderr=write, env=environment(), timeout=30, check=False)
        assert done.returncode == 1, words
    os.close(write)


IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("big", size=3_000_000))))


def test_a_signal_while_writing_to_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    source = write_dir(IMAGE, tmp_path / "source")
    before = tree(tmp_path)
    read, write = os.pipe()
    try:
        with started("copy", "-q", f"dir:{source}", "docker-archive:/dev/stdout", stdout=write) as process:
            os.close(write)
            assert wait_until(lambda: waiting_in(read) > 0, 15)
            time.sleep(1.0)  # the pipe is full after 64 KiB, or less
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            while os.read(read, 65536):
                pass  # a write that blocks can only be ended by its reader, or by the end of the program
            assert process.wait(20) == 143
    finally:
        os.close(read)
    assert tree(tmp_path) == before


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    source = write_dir(IMAGE, tmp_path / "source")
    before = tree(tmp_path)
    read, write = os.pipe()
    with started("copy", "-q", f"dir:{source}", "docker-archive:/dev/stdout", stdout=write) as process:
        os.close(write)
        os.read(read, 1000)
        os.close(read)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said.decode().splitlines()[-1].split("msg=")[1].lower() == '"writing /dev/stdout: broken pipe"'
    assert tree(tmp_path) == before


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/dev/full", "/dev/fd/9"])
def test_an_archive_that_cannot_be_written(name: str, transport: str, tmp_path: Path) -> None:
    """Standard output is closed (``>&-``), or is full; the descriptor is none that the shell opened."""
    source = write_dir(IMAGE, tmp_path / "source")
    before = tree(tmp_path)
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *PYSKOPEO, "copy", "-q", f"dir:{source}", f"{transport}:{name}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), timeout=30, check=False
    )
    assert done.returncode == 1
    (said,) = done.stderr.decode().splitlines()
    shown, reason = {
        "/dev/full": ("/dev/full", "no space left on device"), "/dev/fd/9": ("/dev/fd/9", "bad file descriptor"),
    }.get(name, ("/dev/stdout", "bad file descriptor"))  # fmt: skip
    assert f"writing {shown}: {reason}" in said
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["docker-archive:-", "oci-archive:-", "tarball:-", "docker-archive:/dev/fd/0"])
def test_an_archive_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    """Standard input is closed (``<&-``)."""
    command = ["sh", "-c", 'exec "$@" <&-', "sh", *PYSKOPEO, "copy", "-q", name, f"dir:{tmp_path / 'new'}"]
    done = subprocess.run(command, capture_output=True, env=environment(), timeout=30, check=False)
    assert done.returncode == 1
    (said,) = done.stderr.decode().splitlines()
    assert "bad file descriptor" in said
    assert os.listdir(tmp_path) == []


def test_progress_that_nobody_reads_is_no_reason_to_fail(tmp_path: Path) -> None:
    """As in ``pyskopeo copy ... 2>&1 | head -1``, and as with ``2>&-``."""
    source = write_dir(IMAGE, tmp_path / "source")
    read, write = os.pipe()
    os.close(read)
    for mode in ("auto", "plain", "none"):
        done = subprocess.run(
            [*PYSKOPEO, "copy", f"--progress={mode}", f"dir:{source}", f"dir:{tmp_path / mode}"],
            stdout=write, stderr=write, env=environment(), timeout=20, check=False,
        )  # fmt: skip
        assert done.returncode == 0, mode
        assert (tmp_path / mode / "manifest.json").exists(), mode
    os.close(write)


def test_events_that_nobody_reads(tmp_path: Path) -> None:
    """As in ``pyskopeo copy --progress=json ... 2>&1 | head -1``: it ends, and not with success."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*PYSKOPEO, "copy", "--progress=json", f"dir:{write_dir(IMAGE, tmp_path / 'source')}", f"dir:{tmp_path}/new"],
        stdout=write, stderr=write, env=environment(), timeout=20, check=False,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 1
    assert not (tmp_path / "new").exists()


def test_an_archive_on_standard_output_is_all_there_is_on_it(tmp_path: Path) -> None:
    source = write_dir(IMAGE, tmp_path / "source")
    path = tmp_path / "streamed.tar"
    with path.open("wb") as out:
        with started("copy", f"dir:{source}", "docker-archive:-:a:1", stdout=out.fileno()) as process:
            _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"Copied sha256:" in said
    with tarfile.open(path) as tar:
        assert "manifest.json" in tar.getnames()


def waiting_in(pipe: int) -> int:
    """The number of bytes in ``pipe`` that nobody has read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
