"""The flags of ``sync`` for a cluster, and its run there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .flags import Flag, Parsed, UsageError, boolean

if TYPE_CHECKING:
    from ..access import Access
    from ..syncing.sync_request import SyncSink
    from .sync_options import SyncOptions

CLUSTER = (
    Flag("cluster", "copy on the workers of the Dask scheduler at ADDRESS: tcp://HOST:8786, tls://HOST:8786, or the "
         "file of dask scheduler --scheduler-file", value="ADDRESS", group="plan"),
    Flag("send-credentials", "with --cluster: send the credentials for the registries of this run to the workers, over "
         "tls:// only; without it they have their own", read=boolean, default=False, group="plan"),
)  # fmt: skip
# What cannot be done by workers.
NOT_ON_CLUSTER = (
    "plan", "dry-run", "delete", "sign-by", "sign-by-sq-fingerprint", "sign-by-sigstore",
    "sign-by-sigstore-private-key",
)  # fmt: skip
# Files and limits of this machine, which workers have of their own.
_OF_THIS_MACHINE = (
    "src-cert-dir", "dest-cert-dir", "registries-conf", "registries.d", "policy", "insecure-policy", "tls-details",
    "store", "tmpdir", "partial-age", "offline", "limit-rate", "limit-rate-per-host", "trust-realm",
    "credential-helper", "auth-strict", "user-agent-prefix",
)  # fmt: skip
_SIDES = ("src-creds", "screds", "src-username", "src-registry-token", "src-authfile",
          "dest-creds", "dcreds", "dest-username", "dest-registry-token", "dest-authfile")  # fmt: skip
_CREDENTIALS = ("authfile", *_SIDES)


def check_cluster_flags(parsed: Parsed) -> None:
    """Raise `UsageError` for flags that do not go together."""
    if "cluster" not in parsed.given:
        if parsed.get("send-credentials", bool):
            raise UsageError("--send-credentials needs --cluster")
        return
    given = parsed.given - parsed.inherited
    if not parsed.optional("cluster", str):
        raise UsageError("--cluster: want the address of a Dask scheduler, such as tcp://HOST:8786")
    if (name := next((name for name in NOT_ON_CLUSTER if name in given), "")) and parsed.values.get(name):
        raise UsageError(f"--{name} and --cluster exclude each other")
    if name := next((name for name in _OF_THIS_MACHINE if name in given), ""):
        raise UsageError(f"--{name} and --cluster exclude each other: workers have their own configuration")
    name = next((name for name in _CREDENTIALS if name in given), "")
    if name and not parsed.get("send-credentials", bool):
        raise UsageError(
            f"--{name} and --cluster: workers have their own credentials, unless --send-credentials sends them these"
        )


async def copy_on_cluster(options: SyncOptions, reading: Access, writing: Access, show: SyncSink) -> None:
    """Copy the images of the source, or of a plan, on a cluster; raises what `cluster.copy_on_cluster` raises."""
    from ..cluster.copy_on_cluster import ClusterOptions
    from ..cluster.copy_on_cluster import copy_on_cluster as copy
    from ..cluster.settings import WorkerSettings
    from ..cluster.unresolved_plan import list_images_of
    from ..streams.cancellation import run_in_thread

    assert options.cluster is not None
    request, failures = options.request, 0
    cluster = ClusterOptions(
        options.cluster, request.jobs, request.keep_going,
        WorkerSettings.of(reading, writing, require_signed=options.destination_access.require_signed),
        send_credentials=options.send_credentials,
    )  # fmt: skip
    cluster.check()
    if options.planned is None:
        header, images, failures = await list_images_of(request, reading, show)
    else:
        planned = options.planned
        header, images = planned.header, await run_in_thread(lambda: planned.shard(options.shard))
    with _quiet():
        await copy(
            header, images, cluster, source_access=reading, destination_access=writing, report=show,
            listing_failures=failures,
        )  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what Dask logs on standard error: what is wrong is raised."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
