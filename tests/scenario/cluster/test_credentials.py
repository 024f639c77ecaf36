"""Credentials for workers: their own, or those of the program, which go by TLS and are shown nowhere."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyskopeo.access import Access
from pyskopeo.cluster.copy_on_cluster import ClusterOptions, copy_on_cluster
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.syncing.sync_request import SyncFailed, SyncReport
from tests.scenario.cluster.running import Planned, plan
from tests.support.cluster import Cluster, as_environ, tls_settings
from tests.support.gates import BasicGate
from tests.support.simulator import Simulator
from tests.support.tls import Authority

_SECRET = "not-for-everyones-eyes"


async def _sync(planned: Planned, options: ClusterOptions) -> tuple[SyncReport | None, str]:
    """The report, None after a failure, and all that the scheduler shows to its clients."""
    from distributed import Client

    access = Access.from_environ()
    access = replace(access, trust=replace(access.trust, insecure=True))
    keychain = replace(access.keychain, by_name={"127.0.0.1": Credentials("wrong", _SECRET)})
    registry = planned[0].destination.removeprefix("docker://").partition("/")[0]
    keychain = replace(keychain, by_name={registry: Credentials("user", _SECRET), "other.example.com": Credentials("x", _SECRET)})
    report = None
    try:
        report = await copy_on_cluster(
            *planned, options, source_access=access, destination_access=replace(access, keychain=keychain)
        )
    except SyncFailed:
        pass
    start: Any = Client
    async with start(options.address, asynchronous=True, set_as_default=False) as client:
        shown = str(await client.get_events()) + str(await client.get_scheduler_logs())
    return report, shown


def test_credentials_are_sent_by_tls_and_shown_nowhere(
    registry: Simulator, tmp_path: Path
) -> None:
    import dask

    importlib.import_module("distributed")  # has settings, which have to be there before some are changed for a moment
    settings = tls_settings(Authority.create(tmp_path / "ca"))
    with Simulator(gate=BasicGate({"user": _SECRET})) as mirror, Cluster(1, as_environ(settings)) as cluster:
        assert cluster.address.startswith("tls://")
        planned = plan(registry, mirror.host, 6)
        with dask.config.set(settings):
            report, _ = asyncio.run(_sync(planned, ClusterOptions(cluster.address)))
            assert report is None, "the worker has none of its own"
            report, shown = asyncio.run(_sync(planned, ClusterOptions(cluster.address, send_credentials=True)))
        assert report is not None
        assert report.count("copied") == 6
        logs = [shown, cluster.scheduler.log, cluster.workers[0].log]
        assert "receive_credentials" in cluster.workers[0].log
        assert [_SECRET in one for one in logs] == [False] * 3
