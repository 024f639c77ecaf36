"""Simulated network links to a registry: proxies on loopback that add latency and limit bandwidth."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from enum import Enum

from tests.support.delay import DelayProxy
from tests.support.peers import Registry

ROUND_TRIP_SECONDS = 0.03
BYTES_PER_SECOND = 50_000_000


class Link(Enum):
    """The network between a contender and a registry."""

    LOOPBACK = "loopback"
    FAR = "30 ms"
    NARROW = "30 ms, and 50 MB/s for each connection in each direction"


def start_proxies(stack: ExitStack, registry: Registry) -> Mapping[Link, DelayProxy]:
    """Start a proxy to ``registry`` for each link but loopback; they stop when ``stack`` is closed."""
    rates = {Link.FAR: None, Link.NARROW: BYTES_PER_SECOND}
    return {
        link: stack.enter_context(DelayProxy("127.0.0.1", registry.port, ROUND_TRIP_SECONDS, bytes_per_second=rate))
        for link, rate in rates.items()
    }
