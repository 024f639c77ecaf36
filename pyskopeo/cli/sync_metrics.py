"""The metrics of ``sync`` as Prometheus reads them: in a file for node-exporter, or served while the program runs.

No label has a name of an image: there would be as many series as images. Registries are counted by their hosts, up to a
number of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput, StorageFailed, Unsupported
from ..model.events import Requested, Retrying
from ..syncing.sync_request import ImageEvent, ImageFinished
from .flags import Parsed, UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from ..syncing.sync_request import SyncEvent, SyncReport

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^/\\:\s\[\]]*):(?P<port>[0-9]{1,5})")
_MOST_HOSTS = 50
_OTHER = "other"
_IMAGE_RESULTS = ("copied", "present", "failed", "skipped", "deleted")


class MetricsTarget:
    """Where metrics go: to ``path``, or to those who ask ``host`` and ``port``, "" for this machine only."""

    def __init__(self, path: Path | None, host: str = "", port: int = 0) -> None:
        self.path, self.host, self.port = path, host, port

    @classmethod
    def of(cls, parsed: Parsed) -> MetricsTarget | None:
        """Return what ``--metrics`` asks for, None without it; raises `UsageError`."""
        text = parsed.optional("metrics", str)
        if text is None:
            return None
        if not text:
            raise UsageError("--metrics: want FILE or HOST:PORT")
        if found := _ADDRESS.fullmatch(text):
            if not 0 < int(found["port"]) < 65536:
                raise UsageError(f"--metrics {text}: the port is not between 1 and 65535")
            return cls(None, found["host"].strip("[]"), int(found["port"]))
        return cls(Path(text))


class SyncMetrics:
    """A `SyncSink` that counts what happens, over all rounds of a program. Raises `Unsupported` without the package."""

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
        except ModuleNotFoundError:
            raise Unsupported(
                "--metrics needs the package prometheus-client: pip install 'pyskopeo[metrics]'"
            ) from None
        # Else each counter has a second series, with the time at which it was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry: CollectorRegistry = CollectorRegistry()
        name = "pyskopeo_sync"

        def counter(what: str, about: str, *labels: str) -> Counter:
            return Counter(f"{name}_{what}", about, labels, registry=self.registry)

        def gauge(what: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"{name}_{what}", about, labels, registry=self.registry)

        self._images = counter("images_total", "Images that were looked at, by their results.", "result")
        self._bytes = counter("copied_bytes_total", "Bytes of blobs that were written to the destination.")
        self._requests = counter("requests_total", "Requests to registries and storage servers.", "host", "status")
        self._retries = counter("retries_total", "Requests that were made again after a failure that may pass.")
        self._rounds = counter("rounds_total", "Runs that have ended, by their results.", "result")
        self._last = gauge("last_run_timestamp_seconds", "When the last run ended.")
        self._success = gauge("last_success_timestamp_seconds", "When the last run without a failure ended.")
        self._seconds = gauge("last_run_duration_seconds", "How long the last run took.")
        self._sizes = gauge("last_run_images", "Images of the last run, by their results.", "result")
        self._unlisted = gauge("last_run_unlisted_sources", "Sources that could not be listed in the last run.")
        self._hosts: set[str] = set()
        for result in _IMAGE_RESULTS:
            self._images.labels(result)
        for result in ("success", "failure"):
            self._rounds.labels(result)

    def __call__(self, event: SyncEvent) -> None:
        """Count an event."""
        if isinstance(event, ImageFinished):
            self._images.labels(event.result.status).inc()
            self._bytes.inc(event.result.moved)
        elif isinstance(event, ImageEvent):
            if isinstance(event.event, Requested):
                self._requests.labels(self._host(event.event.url), str(event.event.status or "none")).inc()
            elif isinstance(event.event, Retrying):
                self._retries.inc()

    def finish_round(self, report: SyncReport, *, failed: bool) -> None:
        """Note the end of a run."""
        now = time.time()
        self._rounds.labels("failure" if failed else "success").inc()
        self._last.set(now)
        if not failed:
            self._success.set(now)
        self._seconds.set(report.seconds)
        self._unlisted.set(report.listing_failures)
        for result in _IMAGE_RESULTS:
            self._sizes.labels(result).set(sum(one.status == result for one in report.results))

    def write(self, target: MetricsTarget | None) -> None:
        """Replace the file of a target that has one; readers see all of it. Raises `StorageFailed`."""
        if target is None or target.path is None:
            return
        from prometheus_client import generate_latest

        from ..storage.partial_files import write_atomically

        write_atomically(target.path, generate_latest(self.registry))

    def _host(self, url: str) -> str:
        host = url.partition("://")[2].partition("/")[0]
        if host in self._hosts:
            return host
        if len(self._hosts) >= _MOST_HOSTS:
            return _OTHER
        self._hosts.add(host)
        return host


@contextmanager
def counting(target: MetricsTarget) -> Iterator[SyncMetrics]:
    """Yield what counts; serve it within the block, or write its file at the end.

    Raises `Unsupported` without the package, `InvalidInput` for a host that can be none, and `StorageFailed`, also for
    an address that cannot be listened to.
    """
    metrics = SyncMetrics()
    if target.path is None:
        with _serving(metrics.registry, target.host, target.port):
            yield metrics
        return
    from ..storage.output_file import check_output

    check_output(target.path, f"writing {target.path}")
    try:
        yield metrics
    finally:
        metrics.write(target)


@contextmanager
def _serving(registry: CollectorRegistry, host: str, port: int) -> Iterator[None]:
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, host or "127.0.0.1", registry)
    except OSError as error:
        raise StorageFailed.of(error, f"--metrics: listening at {host}:{port}") from error
    except UnicodeError:
        raise InvalidInput(f"--metrics: {ascii(host)[1:-1][:200]} is no name of a host") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
