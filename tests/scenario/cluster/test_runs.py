"""A sync on three workers: what is copied, by whom, and what is not copied twice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from pyskopeo.cluster.copy_on_cluster import ClusterOptions
from pyskopeo.syncing.sync_request import ImageFinished, ImageStarted, SyncEvent, SyncFailed
from tests.scenario.cluster.running import BLOBS, IMAGES, name, plan, run, start, uploads
from tests.support.cluster import Cluster
from tests.support.faults import Delay, Refuse, Stall
from tests.support.simulator import Simulator


def _is_complete(mirror: Simulator) -> bool:
    found = [mirror.manifest(tag, f"m/{repository}") for repository, _, tag in (name(n).partition(":") for n in range(24))]
    return mirror.incomplete == [] and [one and one.digest for one in found] == [one.digest for one in IMAGES]


def test_every_blob_is_moved_once_and_mounted_elsewhere(cluster: Cluster, registry: Simulator, mirror: Simulator) -> None:
    events: list[SyncEvent] = []
    report = run(plan(registry, mirror.host), cluster.address, events.append)
    assert report.count("copied") == 24
    assert _is_complete(mirror)
    assert uploads(mirror) == dict.fromkeys(BLOBS, 1)
    assert report.moved == sum(len(content) for content in {d: c for one in IMAGES for d, c in one.blobs.items()}.values())
    assert Counter(map(type, events))[ImageStarted] == 24 == Counter(map(type, events))[ImageFinished]
    assert sorted(event.position for event in events if isinstance(event, ImageStarted)) == list(range(1, 25))
    before = len(mirror.requests)
    assert run(plan(registry, mirror.host), cluster.address).count("present") == 24
    assert Counter(request.method for request in mirror.requests[before:]) == {"HEAD": 24}


def test_what_a_killed_worker_was_given_is_copied_by_others(
    cluster: Cluster, registry: Simulator, mirror: Simulator
) -> None:
    registry.on("/v2/*/blobs/*", Delay(0.05))
    finished: set[str] = set()
    before: set[str] = set()

    def kill(event: SyncEvent) -> None:
        if isinstance(event, ImageFinished):
            finished.add(event.result.image.destination)
            if len(finished) == 4:
                before.update(finished)
                cluster.workers[0].kill()

    report = run(plan(registry, mirror.host), ClusterOptions(cluster.address, jobs=2), kill)
    assert report.count("copied") + report.count("present") == 24
    assert _is_complete(mirror)
    assert not cluster.workers[0].running
    # What was done is not done again: its name was written once.
    written = Counter(request.path for request in mirror.requests if request.method == "PUT" and "/manifests/" in request.path)
    for image in before:
        repository, _, tag = image.rpartition("/")[2].partition(":")
        assert written[f"/v2/m/{repository}/manifests/{tag}"] == 1
    # A blob may have arrived, and its worker died before it could say so.
    assert sum(uploads(mirror).values()) <= len(BLOBS) + 2
    cluster.add_worker()


async def _cancelled(registry: Simulator, mirror: Simulator, address: str, images: int) -> None:
    """Begin a run, and cancel it when so many images have been started."""
    started = asyncio.Event()

    def report(event: SyncEvent) -> None:
        if isinstance(event, ImageStarted) and event.position == images:
            started.set()

    running = asyncio.ensure_future(start(plan(registry, mirror.host), ClusterOptions(address, jobs=2), report))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_the_end_of_the_program_ends_the_copies_on_all_workers(
    cluster: Cluster, registry: Simulator, mirror: Simulator
) -> None:
    registry.on("/v2/*/blobs/*", Stall(0))

    began = time.monotonic()
    asyncio.run(_cancelled(registry, mirror, cluster.address, 6))
    assert time.monotonic() - began < 15
    registry.heal()
    # All threads of the workers are free again: this waits for nobody.
    report = run(plan(registry, mirror.host), cluster.address)
    assert report.count("copied") + report.count("present") == 24
    assert _is_complete(mirror)


@pytest.mark.parametrize("keep_going", [True, False])
def test_an_image_that_cannot_be_copied(
    cluster: Cluster, registry: Simulator, mirror: Simulator, keep_going: bool
) -> None:
    registry.on("/v2/team/app1/manifests/v5", Refuse(404), methods=("GET", "HEAD"))
    registry.on("/v2/*/blobs/*", Delay(0.02))
    with pytest.raises(SyncFailed) as failed:
        run(plan(registry, mirror.host), ClusterOptions(cluster.address, keep_going=keep_going, jobs=1))
    report = failed.value.report
    (lost,) = [result for result in report.results if result.status == "failed"]
    assert lost.image.source.endswith("/app1:v5")
    assert "404" in lost.error
    assert report.count("copied") == 23 if keep_going else report.count("skipped") > 0
    assert ("app1:v5" in str(failed.value)) is not keep_going


def test_workers_in_this_process(registry: Simulator, mirror: Simulator) -> None:
    async def sync() -> list[int]:
        import distributed

        start_cluster: Any = distributed.LocalCluster
        async with start_cluster(
            n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=":0", asynchronous=True
        ) as local:
            reports = [await start(plan(registry, mirror.host), local.scheduler_address) for _ in range(2)]
            registry.on("/v2/team/app1/manifests/v5", Refuse(404), methods=("GET", "HEAD"))
            with pytest.raises(SyncFailed):
                await start(plan(registry, mirror.host), local.scheduler_address)
            registry.heal()
            registry.on("/v2/*/blobs/*", Stall(0))
            with Simulator() as other:
                await _cancelled(registry, other, local.scheduler_address, 4)
        return [report.count("copied") for report in reports]

    assert asyncio.run(sync()) == [24, 0]
    assert uploads(mirror) == dict.fromkeys(BLOBS, 1)
