"""Run the plan of a sync on a Dask cluster: here on this machine, elsewhere by another of Dask's deployers."""

import asyncio
import sys
from typing import Any

import distributed

import pyskopeo


def new_cluster() -> Any:
    """Start a scheduler and two workers. Others are distributed.SSHCluster, and KubeCluster or SLURMCluster of Dask."""
    start: Any = distributed.LocalCluster
    return start(n_workers=2, threads_per_worker=1, dashboard_address=":0", asynchronous=True)


async def main(plan: str) -> None:
    def show(event: pyskopeo.SyncEvent) -> None:
        if isinstance(event, pyskopeo.ImageFinished):
            print(event.result.status, event.result.image.destination)

    async with new_cluster() as cluster:
        try:
            report = await pyskopeo.sync_on_cluster(plan, cluster.scheduler_address, keep_going=True, report=show)
        except pyskopeo.SyncFailed as failed:
            report = failed.report
    print(f"{report.count('copied')} copied, {report.count('present')} present, {report.count('failed')} failed")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
