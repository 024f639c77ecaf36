"""What a run leaves that is killed without warning: the next run removes it, and nothing that is in use."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from pyskopeo.storage import part_files
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import started
from tests.support.faults import Refuse, Stall
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.processes import wait_until
from tests.support.simulator import Simulator
from tests.support.trees import leftovers, without_kept

IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("big", size=3_000_000))))
BIG = IMAGE.layer_digests()[1]
DESTINATIONS = ("oci:{}/new:x", "dir:{}/new", "docker-archive:{}/new.tar:a:1", "oci-archive:{}/new.tar")
COPY = ("copy", "--src-tls-verify=false")
IN_THE_WAY = ".other.0123456789ab.partial"


def in_use(folder: Path) -> list[str]:
    """The temporary files that are not complete: at the end of a path."""
    return [name for name in leftovers(folder) if (folder / name).is_file()]


@contextmanager
def stalled_copy(registry: Simulator, destination: str, folder: Path) -> Iterator[Popen[bytes]]:
    """A copy that waits in the middle of its large layer, with temporary files in ``folder``."""
    registry.on_blob(BIG, Stall(1_000_000), times=1)
    with started(*COPY, registry.name(), destination.format(folder)) as process:
        assert registry.stalling.wait(15)
        assert wait_until(lambda: leftovers(folder) != [], 10)
        yield process


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_after_a_kill_the_next_run_cleans_up(tmp_path: Path, destination: str) -> None:
    with Simulator(IMAGE) as registry:
        with stalled_copy(registry, destination, tmp_path) as process:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        assert leftovers(tmp_path) != []
        succeed(pyskopeo_here(*COPY, registry.name(), destination.format(tmp_path)))
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_what_a_running_copy_writes_stays(
    tmp_path: Path, destination: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy into the same layout waits for the blob, but not for long if nothing comes.
    monkeypatch.setattr(part_files, "_PATIENCE", 0.3)
    with Simulator(IMAGE) as registry:
        with stalled_copy(registry, destination, tmp_path) as process:
            # The small blobs are complete, or will be soon. A layer that is decompressed is in two files.
            number = 2 if destination.startswith("docker-archive") else 1
            assert wait_until(lambda: len(in_use(tmp_path)) == number, 10)
            before = in_use(tmp_path)
            succeed(pyskopeo_here(*COPY, registry.name(), destination.format(tmp_path)))
            assert in_use(tmp_path) == before
            process.terminate()
            assert process.wait(10) == 143
    assert without_kept(leftovers(tmp_path)) == []


def test_beside_an_image_only_what_is_left_of_it_goes(tmp_path: Path) -> None:
    (tmp_path / IN_THE_WAY).write_bytes(b"x")
    with Simulator(IMAGE) as registry:
        for destination in DESTINATIONS[1:]:
            succeed(pyskopeo_here(*COPY, registry.name(), destination.format(tmp_path)))
            (tmp_path / "new.tar").unlink(missing_ok=True)
    assert leftovers(tmp_path) == [IN_THE_WAY]


def test_a_directory_that_a_killed_run_had_moved_away_is_moved_back(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        succeed(pyskopeo_here(*COPY, registry.name(), f"dir:{tmp_path}/new"))
        (tmp_path / "new").rename(tmp_path / ".new.0123456789ab.partial.old")
        asked = len(registry.log)
        succeed(pyskopeo_here(*COPY, registry.name(), f"dir:{tmp_path}/new"))
        assert not [line for line in registry.log[asked:] if "/blobs/" in line]
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(("transport", "place"), [("oci", "new/.index.json.{}"), ("oci", "new/blobs/sha256/.abc.{}"), ("dir", "new/.image:latest.{}"), ("dir", "new/.pyskopeo-sync.json.{}")])
def test_a_sync_that_copies_nothing_cleans_up_as_well(tmp_path: Path, transport: str, place: str) -> None:
    words = ("sync", "--src", "docker", "--dest", transport, "--src-tls-verify=false")
    with Simulator(IMAGE) as registry:
        succeed(pyskopeo_here(*words, f"{registry.host}/test/image", tmp_path / "new"))
        for name in (place.format("0123456789ab.partial"), IN_THE_WAY):
            (tmp_path / name).write_bytes(b"x")
        asked = len(registry.requests)
        succeed(pyskopeo_here(*words, f"{registry.host}/test/image", tmp_path / "new"))
        assert not [request for request in registry.requests[asked:] if "/blobs/" in request.path]
    assert leftovers(tmp_path) == [IN_THE_WAY]


@pytest.mark.parametrize("destination", ["dir:{}/a/b/image", "oci:{}/a/b:x"])
def test_a_copy_that_brings_nothing_leaves_no_directories(tmp_path: Path, destination: str) -> None:
    with Simulator(IMAGE) as registry:
        registry.on("/v2/*/blobs/*", Refuse(403))
        assert pyskopeo_here(*COPY, registry.name(), destination.format(tmp_path)).code == 1
    assert list(tmp_path.iterdir()) == []
