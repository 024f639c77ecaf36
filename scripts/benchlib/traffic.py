"""What a registry was asked for during one run, by its own access log."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.support.peers import Registry

from .measure import RunError

# docker-registry writes Apache's combined format; the number after the status is the size of the answer's body.
_LINE = re.compile(r'\S+ \S+ \S+ \[[^]]*\] "([A-Z]+) (\S+) HTTP/[\d.]+" (\d{3}) (\d+) ')
_SETTLED_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests by method; those for blobs, uploads of blobs included; bytes of blobs, read and uploaded."""

    methods: Mapping[str, int] = field(default_factory=dict)
    blob_requests: int = 0
    blob_bytes: int = 0

    @property
    def heads(self) -> int:
        """Requests that move nothing."""
        return self.methods.get("HEAD", 0)

    @property
    def others(self) -> int:
        """All but those."""
        return sum(self.methods.values()) - self.heads


class AccessLog:
    """The log of ``registry`` from now on, until `traffic` is asked for."""

    def __init__(self, registry: Registry) -> None:
        self._path = registry.log_path
        self._from = self._settled()

    def traffic(self, sizes: Mapping[str, int]) -> Traffic:
        """What was asked since; ``sizes`` are those of all blobs by digest. Raises `RunError`."""
        self._settled()
        with self._path.open("rb") as log:
            log.seek(self._from)
            return read_traffic(log.read().decode(errors="replace").splitlines(), sizes)

    def _settled(self) -> int:
        """Its size, once it grows no more: a request is logged after its client has the answer."""
        size, until = -1, time.monotonic() + _SETTLED_WITHIN
        while (grown := self._path.stat().st_size) != size:
            if time.monotonic() > until:
                raise RunError("the registry is still being asked after the run")
            size = grown
            time.sleep(0.05)
        return size


def read_traffic(lines: Iterable[str], sizes: Mapping[str, int]) -> Traffic:
    """The requests in ``lines`` of a log. Raises `RunError` when a blob was uploaded that is not in ``sizes``."""
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
            # The log does not say how much was sent; the registry took it for this digest, so it was all of the blob.
            digest = parse_qs(url.query).get("digest", [""])[0]
            if digest not in sizes:
                raise RunError(f"uploaded {digest or 'a blob'}, which is not the image's")
            blob_bytes += sizes[digest]
    return Traffic(dict(methods), blob_requests, blob_bytes)
