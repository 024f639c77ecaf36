"""The memory of whole processes while large images are copied, and disks that are really full."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyskopeo.errors import StorageFailed
from tests.support.commands import environment
from tests.support.faults import Drip
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator

from .fetches import Fetches
from .invariants import check_between, check_final
from .places import DESTINATIONS
from .scenes import opened, undisturbed

_LIMIT = 96 * 1024 * 1024
FULL = ("oci", "dir", "oci-archive", "docker-archive")


# Of the whole process, which knows best itself: the system counts what was before the program was started, too.
_PROGRAM = """
import re, sys
from pyskopeo.cli.main import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
sys.exit(code)
"""


@pytest.mark.parametrize("name", ["oci:{}/image:new", "dir:{}/image", "docker-archive:{}/image.tar:a:1", "docker://{}/a:new"])
def test_the_memory_of_a_copy_is_bounded(name: str, tmp_path: Path) -> None:
    # More than may be in memory at any time.
    big = build(ImageSpec(layers=tuple(LayerSpec(f"big-{n}", size=20_000_000, compression="none") for n in range(8))))
    with Simulator(big) as registry, Simulator() as mirror:
        for digest in big.layer_digests():
            # All of them are under way at the same time.
            registry.on_blob(digest, Drip(1_000_000, 0.001))
        place = mirror.host if name.startswith("docker://") else tmp_path
        words = ("copy", "--image-parallel-copies=8", "--src-tls-verify=false", "--dest-tls-verify=false")
        command = [sys.executable, "-c", _PROGRAM, *words, registry.name(), name.format(place)]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) * 1024 < _LIMIT


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own, in memory."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def resize(folder: Path, free: int) -> None:
    """Leave so many bytes free."""
    status = os.statvfs(folder)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    subprocess.run(["mount", "-o", f"remount,size={used + free}", folder], check=True)


@pytest.mark.parametrize("free", [20_000, 400_000])
@pytest.mark.parametrize("destination", FULL)
def test_a_disk_that_is_full(destination: str, free: int, tmp_path: Path) -> None:
    assert destination in DESTINATIONS
    folder = tmp_path / "disk"
    reference = undisturbed("docker", destination, fresh=False)
    with small_disk(folder), opened("docker", destination, folder, fresh=False) as scene:
        before = scene.state()
        resize(folder, free)
        error = scene.run().error
        assert isinstance(error, StorageFailed)
        assert "no space left on device" in str(error)
        check_between(before, scene.state(), reference.final)
        resize(folder, 32_000_000)
        fetches = Fetches(scene)
        run = scene.run()
        assert run.error is None
        check_final(scene.state(), reference.final, before)
        fetches.check(run)
