"""The connections of a proxy to its upstreams, with the store that it caches in, renewed from time to time."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..fast_dataclass import replace
from ..http.printable import to_printable
from ..registry.sessions import SharedConnections, open_endpoints
from ..storage.content_store import ContentStore

if TYPE_CHECKING:
    from ..access import Access
    from ..model.reference import Reference
    from ..registry.mirrors import Endpoints
    from .upstreams import Upstreams

# Seconds after which credentials are looked up again, by new sessions.
_RENEWED_AFTER = 600.0
# Clients wait for us, and retry themselves.
_RETRIES, _RETRY_AFTER = 1, 2.0
_CONNECT_TIMEOUT, _RESPONSE_TIMEOUT = 10.0, 60.0
_RATE_LIMIT = re.compile(r"[ -~]{1,100}", re.ASCII)
RATE_LIMITS = ("ratelimit-limit", "ratelimit-remaining")


class Connected:
    """Connections that ``users`` are using: ``access`` reaches the upstreams, ``store`` is the cache."""

    def __init__(self, access: Access, upstreams: Upstreams, note: Callable[[str, Mapping[str, str]], None]) -> None:
        self.users = 0
        self._opened = time.monotonic()
        self._connections = SharedConnections(on_response=note)
        network, configured = access.network, access.registries
        retry = replace(network.retry, times=min(network.retry.times, _RETRIES), max_retry_after=_RETRY_AFTER)
        self.access = replace(
            access,
            network=replace(
                network,
                connections=self._connections,
                retry=retry,
                connect_timeout=min(network.connect_timeout, _CONNECT_TIMEOUT),
                response_timeout=min(network.response_timeout, _RESPONSE_TIMEOUT),
            ),
            registries=lambda: upstreams.registries(configured()),
        )
        self.store = ContentStore.of(access)

    @property
    def is_old(self) -> bool:
        """Whether new requests get other connections."""
        return time.monotonic() - self._opened > _RENEWED_AFTER

    @asynccontextmanager
    async def endpoints(self, reference: Reference) -> AsyncIterator[Endpoints]:
        """Open an upstream for reading a repository; raises `InvalidInput` for one that is blocked."""
        async with open_endpoints(reference, self.access) as found:
            yield found

    async def aclose(self) -> None:
        self.store.save_record()
        await self._connections.aclose()


class UpstreamConnections:
    """Opens connections when they are needed: ``new_access`` returns the settings and credentials of now.

    ``rate_limits`` is what each upstream said last about how many requests are left, as fields of its response, by the
    name of the upstream.
    """

    def __init__(self, upstreams: Upstreams, new_access: Callable[[], Access]) -> None:
        self._upstreams, self._new_access = upstreams, new_access
        self._current: Connected | None = None
        self.rate_limits: dict[str, dict[str, str]] = {}

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Connected]:
        """Yield connections that stay open in this context, and keep the store from being pruned."""
        if (old := self._current) is not None and old.is_old:
            self._current = None
            if not old.users:  # otherwise the last of them closes it
                await old.aclose()
        used = self._current = self._current or Connected(self._new_access(), self._upstreams, self._note)
        used.users += 1
        try:
            async with used.store.used():
                yield used
        finally:
            used.users -= 1
            if used is not self._current and not used.users:
                await used.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        current, self._current = self._current, None
        if current is not None:
            await current.aclose()

    def _note(self, registry: str, headers: Mapping[str, str]) -> None:
        found = {name: to_printable(headers[name]) for name in RATE_LIMITS if name in headers}
        if found and all(_RATE_LIMIT.fullmatch(value) for value in found.values()):
            self.rate_limits[self._upstreams.name_at(registry)] = found
