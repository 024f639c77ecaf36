"""What this process has learned about range requests to each host, and how many connections to it fetch blobs."""

from __future__ import annotations

import threading

# The number of connections for blobs, to all hosts, above which no part is fetched.
_MOST_CONNECTIONS = 128


class RangeHost:
    """One host.

    ``refused`` is why no parts are requested from it, "" if they may be: it does not honour ranges, or its responses
    cannot be trusted. ``proven`` is whether it has sent a part as it was asked to. ``most_parts`` is the number of
    parts that it allows at the same time, as far as its refusals tell.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.refused = ""
        self.proven = False
        self.most_parts = _MOST_CONNECTIONS
        self.connections = 0
        # The bytes that are left of each blob that waits for a connection for a part.
        self.waiting: dict[object, int] = {}


class RangeHosts:
    """All hosts of this process, by name, and the connections to them that fetch blobs.

    A stream of a whole blob always gets a connection, since others may wait for its bytes; parts get those that are
    left, first those of the blob with most bytes left. May be used from several threads.
    """

    def __init__(self, most: int = _MOST_CONNECTIONS) -> None:
        self._most, self._connections = most, 0
        self._hosts: dict[str, RangeHost] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> RangeHost:
        """The host of this name, which is made if it is not known."""
        with self._lock:
            return self._hosts.setdefault(name, RangeHost(name))

    def clear(self) -> None:
        """Forget what was learned."""
        with self._lock:
            self._hosts.clear()

    def add(self, host: RangeHost) -> None:
        """Count a connection for a whole blob, or the rest of one, until `release` is called."""
        self._add(host, 1)

    def take(self, host: RangeHost, most: int, blob: object, left: int) -> bool:
        """Take a connection for a part of ``blob``, which has ``left`` bytes left; return whether there is one.

        ``most`` is the number of connections to this host. If there is none, or another blob with more bytes left waits
        for it, this one waits, too, until it asks again or `leave` is called.
        """
        with self._lock:
            idle = self._connections < self._most and host.connections < most
            if not idle or any(left < other for key, other in host.waiting.items() if key is not blob):
                host.waiting[blob] = left
                return False
            host.waiting.pop(blob, None)
            host.connections += 1
            self._connections += 1
            return True

    def release(self, host: RangeHost) -> None:
        """Count a connection no more."""
        self._add(host, -1)

    def leave(self, host: RangeHost, blob: object) -> None:
        """Have ``blob`` wait no more."""
        with self._lock:
            host.waiting.pop(blob, None)

    def _add(self, host: RangeHost, count: int) -> None:
        with self._lock:
            host.connections += count
            self._connections += count


HOSTS = RangeHosts()
