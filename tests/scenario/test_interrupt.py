"""Signals and closed pipes: the program ends at once, says so, and leaves nothing half-written."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import PYSKOPEO, environment
from tests.support.faults import Delay, Stall
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir
from tests.support.processes import wait_until
from tests.support.simulator import Simulator
from tests.support.trees import tree

# Within a second, and some for a machine that is busy with other tests.
SOON = 2.5
IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("big", size=3_000_000))))
BIG = IMAGE.layer_digests()[1]
DESTINATIONS = ("oci:{}/new:x", "dir:{}/new", "docker-archive:{}/new.tar:a:1", "oci-archive:{}/new.tar")


@contextmanager
def started(*words: object, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """A running ``pyskopeo WORDS``, gone at the end of the block in any case."""
    process = subprocess.Popen(
        [*PYSKOPEO, *map(str, words)], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, env=environment()
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def interrupted(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[int, str]:
    """Exit code and standard error of a process that is told to end, and does so soon."""
    process.send_signal(number)
    began = time.monotonic()
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - began < SOON
    return process.returncode, said.decode()


def copying(registry: Simulator, destination: str, *more: object) -> tuple[object, ...]:
    return ("copy", *more, "--src-tls-verify=false", registry.name(), destination)


@pytest.mark.parametrize("destination", DESTINATIONS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_blob(tmp_path: Path, destination: str, number: signal.Signals) -> None:
    with Simulator(IMAGE) as registry:
        registry.on_blob(BIG, Stall(1_000_000))
        with started(*copying(registry, destination.format(tmp_path))) as process:
            assert registry.stalling.wait(15)
            # What has arrived is being written: there is something to clean up.
            assert wait_until(lambda: any(".partial" in str(p) for p in tmp_path.rglob("*")), 10)
            code, said = interrupted(process, number)
    assert code == 128 + number
    assert said.splitlines()[-1].endswith(f'msg="{"interrupted" if number == signal.SIGINT else "terminated"}"')
    assert "Traceback" not in said
    # Whole blobs may stay in a layout for the next try; nothing else, and nothing that has a name.
    left = [name for name in tree(tmp_path) if not name.startswith("new/blobs/sha256/")]
    assert left == []
    for name, content in tree(tmp_path).items():
        assert content == IMAGE.blobs[f"sha256:{name.rpartition('/')[2]}"]


def test_an_interrupted_copy_destroys_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    old = write_dir(build("docker"), tmp_path / "image")
    before = tree(old)
    with Simulator(IMAGE) as registry:
        registry.on_blob(BIG, Stall(1_000_000), times=1)
        with started(*copying(registry, f"dir:{old}")) as process:
            assert registry.stalling.wait(15)
            assert interrupted(process, signal.SIGTERM)[0] == 143
        assert tree(tmp_path) == {f"image/{name}": content for name, content in before.items()}
        with started(*copying(registry, f"dir:{old}")) as process:
            assert process.wait(20) == 0
    assert tree(old) == tree(write_dir(IMAGE, tmp_path / "wanted"))


Trouble = Callable[[Simulator], None]


@pytest.mark.parametrize(
    "trouble",
    [
        lambda registry: registry.on_manifest("latest", Delay(30)),
        lambda registry: registry.on_manifest("latest", Stall(10)),
        lambda registry: registry.on_blob(BIG, Delay(30)),
    ],
    ids=["before the manifest", "in the manifest", "before a blob"],
)
def test_a_signal_while_waiting_for_an_answer(tmp_path: Path, trouble: Trouble) -> None:
    with Simulator(IMAGE) as registry:
        trouble(registry)
        with started(*copying(registry, f"oci:{tmp_path}/new:x")) as process:
            part = "blobs" if any(BIG in rule.pattern for rule in registry._rules) else "manifests"
            assert wait_until(lambda: any(part in line for line in registry.log), 15)
            time.sleep(0.2)
            assert interrupted(process, signal.SIGINT)[0] == 130
    assert not (tmp_path / "new" / "index.json").exists()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_signal_while_a_server_says_nothing_at_all(tmp_path: Path, scheme: str) -> None:
    """Also in the middle of a TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(15)
        insecure = ["--src-tls-verify=false"] if scheme == "http" else []
        name = f"docker://127.0.0.1:{server.getsockname()[1]}/x"
        with started("copy", *insecure, name, f"dir:{tmp_path}/new") as process:
            connection, _ = server.accept()
            with connection:
                time.sleep(0.3)
                assert interrupted(process, signal.SIGINT)[0] == 130
    assert tree(tmp_path) == {}


def test_a_signal_between_two_tries(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        name = f"docker://127.0.0.1:{closed.getsockname()[1]}/x"
    with started("copy", "--retry-delay=30s", name, f"dir:{tmp_path}/new") as process:
        assert process.stderr is not None
        assert b"retrying in" in process.stderr.readline()
        assert interrupted(process, signal.SIGINT)[0] == 130


def test_a_signal_while_writing_to_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    source = write_dir(IMAGE, tmp_path / "source")
    before = tree(tmp_path)
    read, write = os.pipe()
    try:
        with started("copy", "-q", f"dir:{source}", "docker-archive:/dev/stdout", stdout=write) as process:
            os.close(write)
            time.sleep(1.0)  # the pipe is full after 64 KiB
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


def test_progress_that_nobody_reads(tmp_path: Path) -> None:
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


def test_serve_ends_on_a_signal_and_that_is_its_proper_end(tmp_path: Path) -> None:
    with started("copy", "-q", f"dir:{write_dir(IMAGE, tmp_path / 'source')}", f"oci:{tmp_path}/layout:x") as process:
        assert process.wait(20) == 0
    for number in (signal.SIGINT, signal.SIGTERM):
        with started("serve", f"oci:{tmp_path}/layout", "--listen", "127.0.0.1:0") as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"serving ")
            code, said = interrupted(process, number)
        assert (code, said) == (0, "")
