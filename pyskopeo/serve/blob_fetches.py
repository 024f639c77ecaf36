"""Blobs that are being fetched for a proxy: one request upstream for each, however many clients ask."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import ConnectionFailed, PyskopeoError
from ..storage.arriving_blob import ArrivingBlob
from ..streams.concurrency import ticking
from ..streams.pump import Blob

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ..access import Ranges
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.reference import Reference
    from ..registry.blob_download import BlobDownload
    from ..registry.mirrors import Endpoints
    from .upstream_connections import UpstreamConnections

_AT_ONCE = 16
# Seconds for which a blob is fetched that nobody reads any more. What has arrived is kept for the next one who asks.
_ALONE = 30.0


class BlobFetch:
    """A blob on its way into the store, and its number of ``readers``."""

    def __init__(self, reference: Reference, descriptor: Descriptor) -> None:
        from anyio import Event

        self.reference, self.descriptor = reference, descriptor
        self.readers = 0
        self.begun, self.ended = Event(), Event()
        self.arriving: ArrivingBlob | None = None
        self.error: PyskopeoError | None = None
        self._last_read = time.monotonic()

    @property
    def is_alone(self) -> bool:
        """Whether nobody has read it for a while."""
        return not self.readers and time.monotonic() - self._last_read > (_ALONE if self.arriving else 0)

    def leave(self) -> None:
        """Note that a reader has gone; the last one closes the file."""
        self.readers -= 1
        self._last_read = time.monotonic()
        self.close()

    def close(self) -> None:
        """Close the file if it is not needed any more."""
        if not self.readers and self.ended.is_set() and self.arriving is not None:
            self.arriving.close()


class BlobFetches:
    """Fetches blobs, in tasks of their own: they go on when the client that asked first goes away.

    ``on_stored`` is called with the repository of a blob, and its digest, when it is in the store. ``fetched`` is how
    many were.
    """

    def __init__(
        self,
        connections: UpstreamConnections,
        tasks: TaskGroup,
        on_stored: Callable[[Reference, Digest], Awaitable[None]],
    ) -> None:
        from anyio import CapacityLimiter

        self._connections, self._tasks, self._on_stored = connections, tasks, on_stored
        self._limiter = CapacityLimiter(_AT_ONCE)
        self._running: dict[Digest, BlobFetch] = {}
        self.fetched = 0

    @asynccontextmanager
    async def reading(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[ArrivingBlob]:
        """Yield a blob that is fetched, when its first byte is there; raises what fetching it raises."""
        fetch = self._running.get(descriptor.digest)
        if fetch is None:
            fetch = self._running[descriptor.digest] = BlobFetch(reference, descriptor)
            self._tasks.start_soon(self._fetch, fetch)
        fetch.readers += 1
        try:
            await fetch.begun.wait()
            if fetch.arriving is None:
                raise fetch.error or ConnectionFailed(f"blob {descriptor.digest} was not fetched")
            await fetch.arriving.begin()
            yield fetch.arriving
        finally:
            fetch.leave()

    async def _fetch(self, fetch: BlobFetch) -> None:
        """Fetch a blob unless all who asked for it go away; its readers get the error."""
        from anyio import CancelScope

        error: PyskopeoError | None = ConnectionFailed(f"blob {fetch.descriptor.digest}: nobody waited for it")
        try:
            with CancelScope() as scope:
                async with ticking(lambda: scope.cancel() if fetch.is_alone else None, 1), self._limiter:
                    await self._store(fetch)
                    error = None
        except PyskopeoError as failure:
            error = failure
        finally:
            self._running.pop(fetch.descriptor.digest, None)
            fetch.error = error
            if fetch.arriving is not None:
                fetch.arriving.end(error)
            fetch.begun.set()
            fetch.ended.set()
            fetch.close()
        if error is None:
            self.fetched += 1
            await self._on_stored(fetch.reference, fetch.descriptor.digest)

    async def _store(self, fetch: BlobFetch) -> None:
        async with self._connections.used() as used, used.endpoints(fetch.reference) as endpoints:
            fetch.arriving = ArrivingBlob(download_of(fetch.descriptor, endpoints, used.access.network.ranges))
            fetch.begun.set()
            await used.store.receive(fetch.arriving)


def download_of(descriptor: Descriptor, endpoints: Endpoints, ranges: Ranges | None) -> Blob:
    """Return a blob that is downloaded from an upstream, in parts where ``ranges`` says so; None: never."""
    from ..registry.blob_download import BlobDownload

    def download(offset: int, until: int | None = None) -> BlobDownload:
        return BlobDownload(descriptor, endpoints, offset, ranges, until)

    return Blob(descriptor, download, range_opener=download)
