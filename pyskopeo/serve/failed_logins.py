"""How often a client may try passwords that are wrong."""

from __future__ import annotations

import time
from collections import OrderedDict, deque

ALLOWED = 10
WITHIN = 60.0
"""Seconds in which a client may fail `ALLOWED` times."""
_REMEMBERED = 10_000  # clients


class FailedLogins:
    """The failures of each client in the last `WITHIN` seconds."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def seconds_to_wait(self, client: str) -> float:
        """Return how long a client has to wait before it may try again; 0: it may."""
        failures = self._failures.get(client)
        if failures is None or len(failures) < ALLOWED:
            return 0.0
        return max(0.0, failures[0] + WITHIN - time.monotonic())

    def failed(self, client: str) -> None:
        """Take note of a failure."""
        failures = self._failures.setdefault(client, deque(maxlen=ALLOWED))
        failures.append(time.monotonic())
        self._failures.move_to_end(client)
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)


def client_of(address: str) -> str:
    """Return whose an address is: of IPv6 the network of 64 bits, since a client has all of it."""
    import ipaddress

    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return address
