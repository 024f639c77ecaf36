"""Schedulers that are not there, have no workers, or other ones, or die: one clear line, and the next run goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.cluster import connection
from pyskopeo.cluster.copy_on_cluster import ClusterOptions
from pyskopeo.errors import ConnectionFailed, PyskopeoError, Unsupported
from pyskopeo.syncing.sync_request import ImageFinished, ImagesListed, SyncEvent, SyncFailed
from tests.scenario.cluster.running import plan, run
from tests.support.cluster import Cluster, Scheduler, Worker
from tests.support.faults import Delay
from tests.support.processes import free_port
from tests.support.simulator import Simulator


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Scheduler]:
    """One without workers."""
    with Scheduler() as running:
        yield running


def _line(error: pytest.ExceptionInfo[PyskopeoError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_CONNECT_TIMEOUT", 1.0)


@pytest.mark.usefixtures("impatient")
def test_no_scheduler(registry: Simulator) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ConnectionFailed) as failed:
        run(plan(registry, "127.0.0.1:1", 1), address)
    assert _line(failed) == f"no Dask scheduler answers at {address}"


@pytest.mark.usefixtures("impatient")
def test_a_server_of_another_kind(registry: Simulator) -> None:
    with pytest.raises(ConnectionFailed) as failed:
        run(plan(registry, "127.0.0.1:1", 1), registry.host)
    assert _line(failed) == f"no Dask scheduler answers at tcp://{registry.host}"
    registry.failures.clear()


def test_no_workers(registry: Simulator, scheduler: Scheduler) -> None:
    with pytest.raises(ConnectionFailed) as failed:
        run(plan(registry, "127.0.0.1:1", 1), ClusterOptions(scheduler.address, worker_timeout=0.5))
    assert _line(failed) == f"the Dask scheduler at {scheduler.address} has no workers: start some"


def test_a_worker_that_comes_late(registry: Simulator, mirror: Simulator, scheduler: Scheduler) -> None:
    worker = Worker(scheduler.address)
    coming = threading.Thread(target=worker.__enter__)

    def listed(event: SyncEvent) -> None:
        if isinstance(event, ImagesListed):
            coming.start()

    try:
        assert run(plan(registry, mirror.host, 3), scheduler.address, listed).count("copied") == 3
    finally:
        coming.join()
        worker.stop()


def test_a_worker_with_another_version(registry: Simulator, scheduler: Scheduler, tmp_path: Path) -> None:
    package = tmp_path / "pyskopeo" / "cluster"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    old = {"pyskopeo": "0.0.1", "python": "3.11", "distributed": "1"}
    (package / "worker.py").write_text(f"def describe():\n    return {json.dumps(old)!r}\n")
    with Worker(scheduler.address, {"PYTHONPATH": str(tmp_path)}), pytest.raises(Unsupported) as failed:
        run(plan(registry, "127.0.0.1:1", 1), str(scheduler.file))
    assert "pyskopeo 0.0.1 (here: " in _line(failed)
    assert " on tcp://127.0.0.1:" in _line(failed)
    assert _line(failed).endswith(": install the same versions on all workers")
    (package / "worker.py").unlink()
    with Worker(scheduler.address, {"PYTHONPATH": str(tmp_path)}), pytest.raises(Unsupported) as failed:
        run(plan(registry, "127.0.0.1:1", 1), scheduler.address)
    assert "cannot be imported" in _line(failed)


def test_credentials_are_not_sent_without_tls(registry: Simulator, scheduler: Scheduler) -> None:
    with pytest.raises(Unsupported) as failed:
        run(plan(registry, "127.0.0.1:1", 1), ClusterOptions(scheduler.address, send_credentials=True))
    assert "credentials are not sent to tcp://" in _line(failed)


def test_a_scheduler_that_dies(cluster: Cluster, registry: Simulator, mirror: Simulator) -> None:
    registry.on("/v2/*/blobs/*", Delay(0.2))
    with Cluster(1) as dying:
        address = dying.address

        def kill(event: SyncEvent) -> None:
            if isinstance(event, ImageFinished):
                dying.scheduler.kill()

        with pytest.raises(SyncFailed) as failed:
            run(plan(registry, mirror.host), ClusterOptions(address, jobs=2), kill)
        assert _line(failed).startswith(f"the Dask scheduler at {address} is gone: ")
        report = failed.value.report
        assert report.count("copied") >= 1 <= report.count("skipped")
    registry.heal()
    report = run(plan(registry, mirror.host), cluster.address)
    assert report.count("present") >= 1
    assert report.count("copied") + report.count("present") == 24
