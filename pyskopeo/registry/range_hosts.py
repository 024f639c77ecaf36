"""What this process has learned about range requests to each host, and which connections to it fetch blobs."""

from __future__ import annotations

import threading

# The number of connections that fetch blobs at the same time, to all hosts and to one.
_MOST_CONNECTIONS, _MOST_TO_A_HOST = 128, 64
# Seconds between two attempts to get a connection: the one before may end in another thread, with another event loop.
_POLL = 0.01


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
        # The bytes that are left of each blob that waits for a connection for a part, and for its stream.
        self.waiting: dict[object, int] = {}
        self.waiting_streams: dict[object, int] = {}


class RangeHosts:
    """All hosts of this process, by name, and the connections to them that fetch blobs.

    Streams of whole blobs come first, the largest of them before others; parts get the connections that are left,
    first those of the blob with most bytes left. May be used from several threads, and event loops.
    """

    def __init__(self, most: int = _MOST_CONNECTIONS, most_to_a_host: int = _MOST_TO_A_HOST) -> None:
        self._most, self._most_to_a_host = most, most_to_a_host
        self._connections = 0
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

    async def wait_for(self, host: RangeHost, blob: object, left: int) -> None:
        """Wait for a connection for the stream of ``blob``, which has ``left`` bytes left; `release` gives it back."""
        if self._take_for_stream(host, blob, left):
            return
        from anyio import sleep

        try:
            while not self._take_for_stream(host, blob, left):  # noqa: ASYNC110 - see `_POLL`
                await sleep(_POLL)
        finally:
            with self._lock:
                host.waiting_streams.pop(blob, None)

    def take(self, host: RangeHost, most: int, blob: object, left: int) -> bool:
        """Take a connection for a part of ``blob``, which has ``left`` bytes left; return whether there is one.

        ``most`` is the number of connections to this host. If there is none, or another blob with more bytes left waits
        for it, this one waits, too, until it asks again or `leave` is called.
        """
        with self._lock:
            idle = self._is_idle(host, most) and not any(known.waiting_streams for known in self._hosts.values())
            if not idle or any(left < other for key, other in host.waiting.items() if key is not blob):
                host.waiting[blob] = left
                return False
            host.waiting.pop(blob, None)
            self._count(host, 1)
            return True

    def release(self, host: RangeHost) -> None:
        """Give a connection back."""
        with self._lock:
            self._count(host, -1)

    def leave(self, host: RangeHost, blob: object) -> None:
        """Have ``blob`` wait no more."""
        with self._lock:
            host.waiting.pop(blob, None)

    def _take_for_stream(self, host: RangeHost, blob: object, left: int) -> bool:
        with self._lock:
            largest = all(other <= left for key, other in host.waiting_streams.items() if key is not blob)
            if not (largest and self._is_idle(host, self._most_to_a_host)):
                host.waiting_streams[blob] = left
                return False
            host.waiting_streams.pop(blob, None)
            self._count(host, 1)
            return True

    def _is_idle(self, host: RangeHost, most: int) -> bool:
        return self._connections < self._most and host.connections < most

    def _count(self, host: RangeHost, count: int) -> None:
        host.connections += count
        self._connections += count


HOSTS = RangeHosts()
