"""Several processes with one store: each blob is fetched once between them, and pruning waits for those that use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo.storage.locks import locked
from tests.scenario.content_store.pulling import IMAGE, NEXT, blob_requests, path_of, pinned, pull, stored, through
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import environment, started
from tests.support.faults import Drip, Stall
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.processes import wait_until
from tests.support.pulling import check_layout
from tests.support.simulator import Simulator

LAYER = IMAGE.layer_digests()[0]
LARGE = build(ImageSpec(layers=tuple(LayerSpec(f"large-{n}", size=2_000_000) for n in range(4))))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def begun(registry: Simulator, store: Path, layout: Path, *words: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pyskopeo", "--store", str(store), "copy", "--src-tls-verify=false"]
    return subprocess.Popen(
        [*command, *map(str, words), registry.name(), f"oci:{layout}:v1"],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[bytes]) -> None:
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 0, messages.decode()


def test_four_pulls_at_once_fetch_each_blob_once(store: Path, tmp_path: Path) -> None:
    with Simulator(LARGE) as registry:
        for digest in LARGE.blobs:
            registry.on_blob(digest, Drip(200_000, 0.02))
        processes = [begun(registry, store, tmp_path / str(n)) for n in range(4)]
        for process in processes:
            ended(process)
        assert sorted(blob_requests(registry)) == sorted(LARGE.blobs)
    for number in range(4):
        check_layout(tmp_path / str(number))
        assert os.path.samefile(path_of(tmp_path / str(number), LARGE.layer_digests()[0]), path_of(store, LARGE.layer_digests()[0]))
    check_layout(store)


def test_two_pulls_and_a_prune_at_once(store: Path, tmp_path: Path) -> None:
    """Whatever the order: no pull fails, and nothing that one of them needs is removed under it."""
    with Simulator(LARGE) as registry:
        for digest in LARGE.blobs:
            registry.on_blob(digest, Drip(400_000, 0.02))
        for attempt in range(3):
            processes = [begun(registry, store, tmp_path / f"{attempt}-{n}") for n in range(2)]
            wait_until((store / "blobs").exists, 10)
            done = pyskopeo_here("store", "prune", "--store", store, "--max-size", "0")
            assert done.code == 0, done.stderr
            for process in processes:
                ended(process)
            for number in range(2):
                check_layout(tmp_path / f"{attempt}-{number}")
                assert set(LARGE.blobs) <= stored(tmp_path / f"{attempt}-{number}")


def test_prune_waits_for_a_running_pull(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        succeed(pyskopeo_here("--store", store, "copy", "--src-tls-verify=false", registry.name(), f"oci:{tmp_path}/first:v1"))
        registry.add(NEXT, "test/image", "latest")
        registry.on_blob(NEXT.layer_digests()[2], Stall(1000))
        words = ("--store", store, "copy", "--src-tls-verify=false", registry.name(), f"oci:{tmp_path}/second:v1")
        with started(*words) as pulling:
            assert wait_until(lambda: NEXT.layer_digests()[2] in blob_requests(registry), 20)
            pruning = ("store", "prune", "--store", store, "--older-than", "0s")
            with started(*pruning) as pruner:
                assert pruner.stderr is not None
                assert b"waiting for copies that use the store" in pruner.stderr.readline()
                time.sleep(0.3)
                assert pruner.poll() is None
                assert LAYER in stored(store)
                pulling.send_signal(signal.SIGINT)
                pulling.wait(20)
                assert pruner.wait(20) == 0
        assert stored(store) == set()


def test_a_killed_pull_leaves_the_store_to_the_next(store: Path, tmp_path: Path) -> None:
    """Its locks are released by the kernel; what it has fetched is there, or is completed."""
    large = LARGE.layer_digests()[3]
    with Simulator(LARGE) as registry:
        registry.on_blob(large, Stall(1_500_000), times=1)
        process = begun(registry, store, tmp_path / "layout")
        assert wait_until(lambda: set(LARGE.blobs) - {large} <= stored(store) and _part_size(store) > 1_000_000, 30)
        process.kill()
        process.communicate(timeout=10)
        asked = len(registry.requests)
        ended(begun(registry, store, tmp_path / "layout"))
        requests = [r for r in registry.requests[asked:] if "/blobs/" in r.path]
        assert [r.path.rpartition("/")[2] for r in requests] == [large]
        assert requests[0].header("Range") is not None
    check_layout(tmp_path / "layout")
    check_layout(store)


def _part_size(store: Path) -> int:
    return max((path.stat().st_size for path in store.glob("blobs/sha256/.*.partial")), default=0)


def test_the_index_has_the_names_of_all(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        for number in range(4):
            registry.add(IMAGE, "test/image", f"v{number}")
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "pyskopeo", "--store", str(store), "copy", "--src-tls-verify=false",
                 registry.name(tag=f"v{number}"), f"oci:{tmp_path}/{number}:v1"],
                env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            )
            for number in range(4)
        ]  # fmt: skip
        for process in processes:
            ended(process)
    entries = json.loads((store / "index.json").read_bytes())["manifests"]
    names = {entry["annotations"]["org.opencontainers.image.ref.name"].rpartition(":")[2] for entry in entries}
    assert names == {f"v{number}" for number in range(4)}


@pytest.mark.anyio
async def test_tasks_of_one_process_share_it(store: Path, tmp_path: Path) -> None:
    with Simulator(LARGE) as registry:
        for digest in LARGE.blobs:
            registry.on_blob(digest, Drip(200_000, 0.01))
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(pull, registry.name(), f"oci:{tmp_path}/{number}:v1", through(store, tmp_path))
        assert sorted(blob_requests(registry)) == sorted(LARGE.blobs)
    for number in range(3):
        check_layout(tmp_path / str(number))


@pytest.mark.anyio
async def test_a_pull_waits_for_a_prune_and_then_fetches(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/first:v1", through(store, tmp_path))
        async with anyio.create_task_group() as tasks, locked(store / "blobs"):
            tasks.start_soon(pull, pinned(registry, IMAGE), f"oci:{tmp_path}/second:v1", through(store, tmp_path))
            await anyio.sleep(0.2)
            assert not (tmp_path / "second" / "index.json").exists()
            path_of(store, LAYER).unlink()
    check_layout(tmp_path / "second")
    check_layout(store)
    await pyskopeo.prune_store(store, max_size=0)
