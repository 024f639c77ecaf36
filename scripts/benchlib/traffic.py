"""The requests that a registry received during one run, from its access log."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.support.peers import Registry

from .measure import RunError

# docker-registry writes Apache's combined format; the number after the status is the size of the response's body.
_LINE = re.compile(r'\S+ \S+ \S+ \[[^]]*\] "([A-Z]+) (\S+) HTTP/[\d.]+" (\d{3}) (\d+) ')
_LOG_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Traffic:
    """Numbers of requests: ``methods`` by method, ``blob_requests`` for blobs and their uploads.

    ``blob_bytes`` is the size of all blobs downloaded and uploaded.
    """

    methods: Mapping[str, int] = field(default_factory=dict)
    blob_requests: int = 0
    blob_bytes: int = 0

    @property
    def heads(self) -> int:
        """Number of HEAD requests, which transfer no content."""
        return self.methods.get("HEAD", 0)

    @property
    def others(self) -> int:
        """Number of all other requests."""
        return sum(self.methods.values()) - self.heads


class AccessLog:
    """The requests in the access log of ``registry`` since this object was created."""

    def __init__(self, registry: Registry) -> None:
        self._path = registry.log_path
        self._start = self._settled_size()

    def traffic(self, sizes: Mapping[str, int]) -> Traffic:
        """Return the traffic since then; ``sizes`` are those of all blobs in bytes, by digest. Raises `RunError`."""
        self._settled_size()
        with self._path.open("rb") as log:
            log.seek(self._start)
            return read_traffic(log.read().decode(errors="replace").splitlines(), sizes)

    def _settled_size(self) -> int:
        """Return the log's size once it stops growing: a request is logged after its client has the response."""
        size, deadline = -1, time.monotonic() + _LOG_TIMEOUT
        while (grown := self._path.stat().st_size) != size:
            if time.monotonic() > deadline:
                raise RunError("the registry is still being asked after the run")
            size = grown
            time.sleep(0.05)
        return size


def read_traffic(lines: Iterable[str], sizes: Mapping[str, int]) -> Traffic:
    """Parse the lines of a log; raises `RunError` when a blob was uploaded that is not in ``sizes``."""
    methods: Counter[str] = Counter()
    blob_requests = blob_bytes = 0
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        method, target, status, written = found.groups()
        methods[method] += 1
        url = urlsplit(target)
        if "/blobs/" not in url.path:
            continue
        blob_requests += 1
        if method == "GET" and status in ("200", "206"):
            blob_bytes += int(written)
        elif method == "PUT" and status == "201":
            # The log does not contain the size of a request, but the registry has accepted the whole blob.
            digest = parse_qs(url.query).get("digest", [""])[0]
            if digest not in sizes:
                raise RunError(f"uploaded {digest or 'a blob'}, which is not the image's")
            blob_bytes += sizes[digest]
    return Traffic(dict(methods), blob_requests, blob_bytes)
