"""What a server counts, and its metrics as Prometheus reads them.

Requests add to plain numbers; prometheus-client is imported when the metrics are first asked for. Names of repositories
and users are no labels: anybody could make as many as they like.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..errors import Unsupported
from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0)  # seconds


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was answered.

    ``status`` is 0 if its client had gone before. ``sent`` and ``received`` are bytes of bodies, ``seconds`` is how
    long it took from the head of the request to the end of the answer.
    """

    status: int
    seconds: float
    sent: int
    received: int


class ServerMetrics:
    """The numbers of one server, since it started."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._durations: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._sent: Counter[str] = Counter()
        self._received: Counter[str] = Counter()
        self._cache: Counter[str] = Counter()
        self._upstream: Counter[str] = Counter()
        self._gauges: dict[str, tuple[str, Callable[[], int]]] = {}
        self._counters: dict[str, tuple[str, Callable[[], int]]] = {}
        self.in_progress = 0
        self._registry: CollectorRegistry | None = None

    def request(self, method: str, endpoint: str, done: Exchange) -> None:
        """Count an answered request."""
        self._requests[method, endpoint, str(done.status) if done.status else "none"] += 1
        counts = self._durations.get(endpoint)
        if counts is None:
            counts = self._durations[endpoint] = [0] * (len(_BOUNDS) + 1)
        counts[bisect_left(_BOUNDS, done.seconds)] += 1
        self._seconds[endpoint] = self._seconds.get(endpoint, 0.0) + done.seconds
        self._sent[endpoint] += done.sent
        self._received[endpoint] += done.received

    def cache(self, result: str) -> None:
        """Count a look into the cache of a proxy: ``hit``, ``miss`` or ``stale``."""
        self._cache[result] += 1

    def upstream(self, status: int) -> None:
        """Count a request to the registry behind a proxy, by its status, 0 where there was no answer."""
        self._upstream[str(status) if status else "none"] += 1

    def gauge(self, name: str, about: str, value: Callable[[], int]) -> None:
        """Add a number that is asked for when the metrics are read."""
        self._gauges[name] = about, value

    def counter(self, name: str, about: str, value: Callable[[], int]) -> None:
        """Add a number that only grows, and is asked for when the metrics are read."""
        self._counters[name] = about, value

    def text(self) -> bytes:
        """Return all metrics in the text format; raises `Unsupported` without prometheus-client."""
        try:
            from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
        except ImportError:
            raise Unsupported("metrics need prometheus-client: pip install 'pyskopeo[serve]'") from None
        if self._registry is None:
            self._registry = CollectorRegistry()
            self._registry.register(_Collector(self._collect))
            ProcessCollector(registry=self._registry)
        return generate_latest(self._registry)

    def _collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        labels = ["method", "endpoint", "status"]
        requests = CounterMetricFamily("pyskopeo_http_requests", "Requests that were answered", labels=labels)
        # Copies: this is a worker thread, and the event loop counts on.
        for key, number in self._requests.copy().items():
            requests.add_metric(list(key), number)
        yield requests
        durations = HistogramMetricFamily(
            "pyskopeo_http_request_duration_seconds", "From the head of a request to the end of its answer",
            labels=["endpoint"],
        )  # fmt: skip
        for endpoint, counts in self._durations.copy().items():
            durations.add_metric([endpoint], list(_cumulated(counts)), self._seconds.get(endpoint, 0.0))
        yield durations
        for name, about, label, counter in (
            ("http_response_bytes", "Bytes of bodies that were sent", "endpoint", self._sent),
            ("http_request_bytes", "Bytes of bodies that were received", "endpoint", self._received),
            ("cache_requests", "Looks into the cache of a proxy", "result", self._cache),
            ("upstream_requests", "Requests to the registry behind a proxy", "status", self._upstream),
        ):
            family = CounterMetricFamily(f"pyskopeo_{name}", about, labels=[label])
            for value, number in counter.copy().items():
                family.add_metric([value], number)
            yield family
        yield GaugeMetricFamily("pyskopeo_http_requests_in_progress", "Requests under way", value=self.in_progress)
        for name, (about, number_of) in self._gauges.items():
            yield GaugeMetricFamily(f"pyskopeo_{name}", about, value=number_of())
        for name, (about, number_of) in self._counters.items():
            yield CounterMetricFamily(f"pyskopeo_{name}", about, value=number_of())


class _Collector:
    """What prometheus-client asks for metrics."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self.collect = collect


def _cumulated(counts: list[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip((*map(str, _BOUNDS), "+Inf"), counts, strict=True):
        total += count
        yield bound, total
