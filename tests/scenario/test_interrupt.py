"""Signals and time limits: the program ends at once, says so, and leaves nothing half-written."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import pyskopeo, started
from tests.support.faults import Delay, Stall
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir
from tests.support.processes import wait_until
from tests.support.simulator import Simulator
from tests.support.trees import tree, without_kept

# Within a second, and some for a machine that is busy with other tests.
SOON = 2.5
IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("big", size=3_000_000))))
BIG = IMAGE.layer_digests()[1]
DESTINATIONS = ("oci:{}/new:x", "dir:{}/new", "docker-archive:{}/new.tar:a:1", "oci-archive:{}/new.tar")


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
    # Whole blobs may stay in a layout for the next try, and under hidden names what has arrived of the others; nothing
    # else, and nothing that has a name.
    left = without_kept(tree(tmp_path))
    assert [name for name in left if not name.startswith("new/blobs/sha256/")] == []
    for name, content in tree(tmp_path).items():
        if name not in left:
            continue
        assert content == IMAGE.blobs[f"sha256:{name.rpartition('/')[2]}"]


def test_an_interrupted_copy_destroys_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    old = write_dir(build("docker"), tmp_path / "image")
    before = tree(old)
    with Simulator(IMAGE) as registry:
        registry.on_blob(BIG, Stall(1_000_000), times=1)
        with started(*copying(registry, f"dir:{old}")) as process:
            assert registry.stalling.wait(15)
            assert interrupted(process, signal.SIGTERM)[0] == 143
        assert without_kept(tree(tmp_path)) == [f"image/{name}" for name in before]
        assert tree(old) == before
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


def test_serve_ends_on_a_signal_and_that_is_its_proper_end(tmp_path: Path) -> None:
    with started("copy", "-q", f"dir:{write_dir(IMAGE, tmp_path / 'source')}", f"oci:{tmp_path}/layout:x") as process:
        assert process.wait(20) == 0
    for number in (signal.SIGINT, signal.SIGTERM):
        with started("serve", f"oci:{tmp_path}/layout", "--listen", "127.0.0.1:0") as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"serving ")
            code, said = interrupted(process, number)
        assert (code, said) == (0, "")


def test_a_time_limit_for_the_command(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    keeper = os.open(fifo, os.O_RDWR)  # opens at once, and never says anything
    try:
        done = pyskopeo("--command-timeout", "300ms", "inspect", f"docker-archive:{fifo}", timeout=10)
    finally:
        os.close(keeper)
    assert done.code == 1
    assert done.lines[-1].endswith('msg="not finished after 0.3 s: given up, as --command-timeout says"')
