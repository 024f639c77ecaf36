"""Fetch parts of a large blob by range requests, as many at the same time as make the download faster.

Parts are fetched once one connection is what limits: while it delivers all that it can, this process waits for it and
leaves the processors idle. Nothing is tried again here.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..errors import ConnectionFailed, InvalidContent, PyskopeoError, RegistryError, StorageFailed
from ..model.events import Explained
from ..streams.cancellation import check_cancelled, run_in_thread
from ..streams.concurrency import processors_idle
from .part_count import PartCount
from .range_hosts import HOSTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio import CancelScope
    from anyio.abc import TaskGroup

    from ..access import Ranges
    from ..model.descriptor import Descriptor
    from ..model.events import Report
    from ..streams.byte_streams import ByteReader
    from ..streams.part_schedule import Part
    from .mirrors import BlobEndpoint
    from .range_hosts import RangeHost
    from .shared_parts import SharedParts

# Seconds of one measurement of the stream, and the number in a row in which its connection has to be what limits.
_PERIOD, _PERIODS = 0.1, 3
# The share of its time in which the stream then waits for its connection.
_WAITING = 0.5
# Seconds between two decisions about the number of parts.
_TICK = 0.1
# Seconds between two checks whether workers that were cancelled have ended.
_POLL = 0.005
# Seconds. What the stream reads in this time is left to it, so that it need not wait for the first part.
_LEAD = 0.5
# Bytes that a worker reads at once: small, since there may be many workers.
_BUFFER = 128 * 1024
# Statuses of servers that do not honour ranges, and those that mean it if the server has never sent a part.
_NO_RANGES, _DENIED = frozenset({400, 405, 416, 501}), frozenset({401, 403})


class StreamedBlob(Protocol):
    """A blob, and where its stream comes from at the moment."""

    descriptor: Descriptor
    report: Report

    @property
    def endpoint(self) -> BlobEndpoint:
        """The endpoint of the stream."""
        ...

    def etag(self, endpoint: BlobEndpoint) -> str:
        """Return the strong entity tag that an endpoint has given for the blob, "" if it has given none."""
        ...


class PartWorkers:
    """The workers of one blob. Used in the event loop's thread.

    ``rate`` is the throughput of the stream alone in bytes per second, 0 before it is known.
    """

    def __init__(
        self, parts: SharedParts, blob: StreamedBlob, ranges: Ranges, waited: Callable[[float], float]
    ) -> None:
        """``waited`` returns the seconds that the stream has waited for its connection, until a time."""
        from anyio import CapacityLimiter, Event

        self._parts, self._blob, self._ranges, self._waited = parts, blob, ranges, waited
        self.rate = 0.0
        self._workers: dict[Part, tuple[CancelScope, RangeHost]] = {}
        self._limiter = CapacityLimiter(ranges.parts)
        self._freed = Event()
        self._stopped = False
        self._endpoint: BlobEndpoint = blob.endpoint
        self._host: RangeHost = HOSTS[self._endpoint.range_host]
        self._count = self._new_count()

    async def run(self) -> None:
        """Fetch parts until this is cancelled or no bytes are left; raises `StorageFailed`."""
        from anyio import Event, create_task_group, move_on_after

        self.rate = await self._limiting_rate()
        self._count = self._new_count()
        try:
            async with create_task_group() as tasks:
                while self._parts.left and not self._stopped:
                    self._follow_endpoint()
                    self._count.measure(time.monotonic(), self._parts.received, self._parts.begun)
                    self._start(tasks)
                    self._freed = Event()
                    with move_on_after(_TICK):
                        await self._freed.wait()
        finally:
            HOSTS.leave(self._host, self)

    async def stop(self, error: PyskopeoError) -> None:
        """End all workers and start no more: with the parts that they have fetched, the blob has ``error``."""
        from anyio import sleep

        self._stopped = True
        if self._count.begun:
            self._refuse(self._host, f"a blob with parts from there was wrong: {error}")
        for scope, _ in self._workers.values():
            scope.cancel()
        while self._workers:  # noqa: ASYNC110 - there is an end of each worker, and no event for it
            await sleep(_POLL)

    async def abandon(self, part: Part) -> None:
        """End the worker of a part that takes too long; the stream fetches the rest of the part."""
        from anyio import sleep

        if part not in self._workers:
            return
        scope, host = self._workers[part]
        self._failed(host, ConnectionFailed(f"{part} takes too long"))
        scope.cancel()
        while part in self._workers:  # noqa: ASYNC110 - as above
            await sleep(_POLL)

    def _new_count(self) -> PartCount:
        most = min(self._ranges.parts, self._host.most_parts)
        return PartCount(most, self.rate, proven=self._host.proven)

    def _follow_endpoint(self) -> None:
        """Request parts from the endpoint that the stream uses now."""
        endpoint = self._blob.endpoint
        if endpoint is not self._endpoint:
            HOSTS.leave(self._host, self)
            self._endpoint, self._host = endpoint, HOSTS[endpoint.range_host]
            self._count = self._new_count()

    async def _limiting_rate(self) -> float:
        """Wait until one connection is what limits; return its throughput in bytes per second."""
        amounts: list[int] = []
        while True:
            began, received = time.monotonic(), self._parts.received
            waited = self._waited(began)
            idle = await processors_idle(_PERIOD)
            now = time.monotonic()
            waits = self._waited(now) - waited > (now - began) * _WAITING
            amounts = [*amounts, self._parts.received - received][-_PERIODS:] if idle and waits else []
            if len(amounts) == _PERIODS and any(amounts):
                return sum(amounts) / (_PERIODS * _PERIOD)

    def _start(self, tasks: TaskGroup) -> None:
        """Start workers, as many as there may be, for the parts that are to be fetched next."""
        from anyio import CancelScope

        lead = max(self._ranges.size, int(self.rate * _LEAD))
        while len(self._workers) < self._count.target and not self._host.refused:
            if not HOSTS.take(self._host, self._ranges.parts, self, self._parts.left):
                return
            part = self._parts.take(lead, self.rate)
            if part is None:
                HOSTS.release(self._host)
                return
            self._workers[part] = CancelScope(), self._host
            tasks.start_soon(self._fetch, part, self._endpoint, self._host)

    async def _fetch(self, part: Part, endpoint: BlobEndpoint, host: RangeHost) -> None:
        """Fetch a part; what is missing of it after an error is left to the stream."""
        try:
            with self._workers[part][0]:
                await self._request(part, endpoint, host)
        except StorageFailed:
            raise
        except PyskopeoError as error:
            self._failed(host, error)
        else:
            if part.done == part.end:
                self._count.finished()
        finally:
            del self._workers[part]
            HOSTS.release(host)
            self._parts.close(part)
            self._freed.set()

    async def _request(self, part: Part, endpoint: BlobEndpoint, host: RangeHost) -> None:
        """Request a part and write it to the sink; raises `InvalidContent` for a response with anything else."""
        blob, etag, end = self._blob.descriptor, self._blob.etag(endpoint), part.end
        what = f"reading bytes {part.start} to {end} of blob {blob.digest} in {endpoint.name}"
        response = await endpoint.request_part(blob, part.start, end, etag, what)
        try:
            host.proven = True
            self._parts.begin(part)
            work = partial(self._write, part, response.reader, end)
            await run_in_thread(work, limiter=self._limiter)
        finally:
            await response.aclose()

    def _write(self, part: Part, body: ByteReader, end: int) -> None:
        """Write a part to the sink, up to its end, which may come before the ``end`` of the response; in a thread."""
        buffer = memoryview(bytearray(_BUFFER))
        try:
            while room := self._parts.claim(part, len(buffer)):
                count = body.readinto(buffer[:room])
                if not count:
                    raise ConnectionFailed(f"connection closed with {part.end - part.done} bytes to go")
                self._parts.write(part, buffer[:count])
                check_cancelled()
        finally:
            self._parts.note(part)
        if part.done == end and body.readinto(buffer[:1]):
            raise InvalidContent("the response has more bytes than its Content-Range says")

    def _failed(self, host: RangeHost, error: PyskopeoError) -> None:
        """Decide about further parts after ``error`` in one of ``host``. Several failures at a time count as one."""
        status = error.status if isinstance(error, RegistryError) else 0
        if isinstance(error, InvalidContent) or status in _NO_RANGES or (status in _DENIED and not host.proven):
            self._refuse(host, str(error))
        if self._parts.suspended or host is not self._host:
            return
        self._parts.suspend()
        most = self._count.failed(len(self._workers))
        if status:
            self._host.most_parts = min(self._host.most_parts, most)
        self._explain(f"{error}; at most {most} parts at the same time from now on")

    def _refuse(self, host: RangeHost, reason: str) -> None:
        if not host.refused:
            host.refused = reason
            self._explain(f"{reason}; no more range requests for parts to {host.name}")

    def _explain(self, message: str) -> None:
        self._blob.report(Explained(f"blob {self._blob.descriptor.digest.short}: {message}"))
