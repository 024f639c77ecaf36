"""Requests to a Docker daemon (Docker Engine API), and its ``/_ping`` and ``/images/get``."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from ...errors import ConnectionFailed, DaemonError, PathNotFound, Stalled, first_error
from ...http.connect import Connector, no_proxy
from ...http.connection_pool import ConnectionPool, Request, ResponseReader, ResponseTimeouts, Route
from ...http.origin import Origin
from ...http.streamed_body import StreamedBody
from ...storage.files import read_range
from ...storage.scratch import temporary_file
from ...streams.cancellation import check_cancelled, run_in_thread
from ...streams.pump import FileSink, thread_buffer
from .address import Address, address_of, context_of
from .messages import LIMIT, TAIL, DaemonErrorMapping, check_tail, refusal

if TYPE_CHECKING:
    import ssl

    from ...access import Network
    from ...http.tls import Trust

T = TypeVar("T")
# The origin of every request; where it is sent is the connector's target.
ORIGIN = Origin("http", "docker", 80)
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
_SAVING = "loading image from docker engine"


class Engine:
    """A Docker daemon that responded. Each request has a connection of its own; no proxy is used."""

    def __init__(self, address: Address, context: ssl.SSLContext | None, network: Network) -> None:
        from anyio import CapacityLimiter

        self._address, self._context, self._network = address, context, network
        self._version = ""
        # Not those of the blobs, which wait for an archive to be sent.
        self.threads = CapacityLimiter(8)
        self.stall_timeout = network.stall_timeout

    @classmethod
    async def open(cls, network: Network, trust: Trust) -> Engine:
        """Ask the daemon for the newest version of its API, which all later requests are of.

        Raises `InvalidInput` for an address or certificates that cannot be used, and `NetworkError`.
        """
        address = address_of(network, trust)
        engine = cls(address, context_of(trust) if address.tls else None, network)
        await engine._negotiate()
        return engine

    async def request(
        self,
        method: str,
        path: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | StreamedBody = b"",
        timeouts: ResponseTimeouts | None = None,
    ) -> ResponseReader:
        """Send a request; returns the response, whose body is still to be read.

        ``what`` is what messages say was being done. Raises `DaemonError` for any status but 200, and
        `NetworkError`.
        """
        version = f"/v{self._version}" if self._version else ""
        target = f"{self._address.prefix}{version}{path}"
        fields = {"Host": self._address.header, "User-Agent": self._network.user_agent, "Connection": "close"}
        fields.update(headers or {})
        request = Request(method, Route(ORIGIN), target, tuple(fields.items()), body, timeouts)
        send = partial(_send, self._connector(what), request, what)
        # The thread is not waited for: it may be resolving a name, from which nothing wakes it.
        return await run_in_thread(send, discard=ResponseReader.close, limiter=self.threads)

    def errors(self, what: str) -> DaemonErrorMapping:
        """The errors of a request; ``what`` is what messages say was being done."""
        return DaemonErrorMapping(self._address, what, self._network.connect_timeout)

    async def while_pinging(self, work: Callable[[], Awaitable[T]]) -> T:
        """Wait for ``work`` as long as the daemon responds to ``/_ping``, sent every ``stall_timeout`` seconds.

        A daemon may be busy for longer before it responds to anything else. Raises what ``work`` raises,
        and `NetworkError` when a ping fails.
        """
        from anyio import create_task_group, sleep

        async def ping() -> None:
            while True:
                await sleep(self.stall_timeout)
                (await self.request("GET", "/_ping", f"waiting for {self._address.name}")).close()

        with first_error():
            async with create_task_group() as tasks:
                tasks.start_soon(ping)
                result = await work()
                tasks.cancel_scope.cancel()
        return result

    @asynccontextmanager
    async def save(self, name: str, scratch: Path | None) -> AsyncIterator[Path]:
        """The archive of an image in a temporary file, removed afterwards (GET ``/images/get``).

        Raises `PathNotFound` when there is no such image, and `NetworkError`.
        """
        async with AsyncExitStack() as stack:
            response = await self.while_pinging(partial(self._get_image, name))
            try:
                path = await stack.enter_async_context(temporary_file("saved.tar", scratch, partial(_write, response)))
            finally:
                response.close()
            yield path

    async def _negotiate(self) -> None:
        try:
            response = await self.request("GET", "/_ping", f"asking {self._address.name} for its version")
        except DaemonError as error:
            if error.status == 400 and "HTTPS" in str(error):
                hint = "say https://, or name a directory with its certificates by a --cert-dir flag"
                raise DaemonError(f"{error}; {hint}", status=error.status) from None
            raise
        response.close()
        found = response.header("Api-Version")
        if _VERSION.fullmatch(found):
            self._version = found

    async def _get_image(self, name: str) -> ResponseReader:
        timeouts = ResponseTimeouts(head=None, body=self.stall_timeout)
        try:
            return await self.request("GET", f"/images/get?names={quote(name, safe='')}", _SAVING, timeouts=timeouts)
        except DaemonError as error:
            if missing := error if error.status == 404 else await self._missing(name):
                raise PathNotFound(str(missing)) from None
            raise

    async def _missing(self, name: str) -> DaemonError | None:
        """The refusal of a daemon that has no such image, for which some respond with 500 to GET ``/images/get``."""
        try:
            (await self.request("GET", f"/images/{quote(name, safe='')}/json", _SAVING)).close()
        except DaemonError as error:
            return error if error.status == 404 else None
        return None

    def _tls(self, _: Origin) -> ssl.SSLContext:
        assert self._context is not None
        return self._context

    def _connector(self, what: str) -> Connector:
        return Connector(
            self._tls,
            no_proxy,
            connect_timeout=self._network.connect_timeout,
            stall_timeout=self.stall_timeout,
            target=self._address.target,
            errors=self.errors(what),
        )


def _write(reader: ResponseReader, sink: FileSink) -> None:
    """Write the archive of an image to a file; raises `DaemonError` for an error message at its end."""
    buffer = thread_buffer()
    while count := reader.readinto(buffer):
        sink.write(buffer[:count])
        check_cancelled()
    check_tail(read_range(sink.path, max(0, os.fstat(sink.fd).st_size - TAIL), TAIL), _SAVING)


def _send(connector: Connector, request: Request, what: str) -> ResponseReader:
    """Send a request, in a worker thread; raises `DaemonError` for any status but 200."""
    # Without prefetching: an error message counts even if the connection breaks after it.
    pool = ConnectionPool(connector, prefetch=None)
    response = ResponseReader(pool, request, pool.send(request))
    if response.status != 200:
        with closing(response):
            raise refusal(response.status, _refusal_body(response), what)
    return response


def _refusal_body(response: ResponseReader) -> bytes:
    """At most `LIMIT` bytes of the body, none if the connection breaks meanwhile; raises `Stalled`."""
    body, buffer = bytearray(), thread_buffer()
    try:
        while len(body) < LIMIT and (count := response.readinto(buffer[: LIMIT - len(body)])):
            body += buffer[:count]
    except Stalled:
        raise
    except ConnectionFailed:
        return b""
    return bytes(body)
