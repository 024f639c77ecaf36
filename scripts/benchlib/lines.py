"""How far away a registry is: proxies that make loopback a long line."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from enum import Enum

from tests.support.delay import DelayProxy
from tests.support.peers import Registry

ROUND_TRIP_SECONDS = 0.03
BYTES_PER_SECOND = 50_000_000


class Line(Enum):
    """What is between a contender and a registry."""

    NEAR = "loopback"
    FAR = "30 ms"
    NARROW = "30 ms, and 50 MB/s for each connection in each direction"


def lay(stack: ExitStack, registry: Registry) -> Mapping[Line, DelayProxy]:
    """The proxies before ``registry``, until ``stack`` is left."""
    rates = {Line.FAR: None, Line.NARROW: BYTES_PER_SECOND}
    return {
        line: stack.enter_context(DelayProxy("127.0.0.1", registry.port, ROUND_TRIP_SECONDS, bytes_per_second=rate))
        for line, rate in rates.items()
    }
