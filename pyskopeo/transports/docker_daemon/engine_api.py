"""Requests to a Docker daemon (Docker Engine API): ``/_ping``, ``/images/NAME/json`` and ``/images/get``."""

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
from ...http.connection_pool import ConnectionPool, ResponseReader
from ...http.messages import Request, Route
from ...http.origin import Origin
from ...http.streamed_body import StreamedBody
from ...http.time_limits import DocumentDeadline, ResponseTimeouts
from ...model.events import Warned
from ...storage.files import read_range
from ...storage.scratch import temporary_file
from ...streams.cancellation import check_cancelled, run_in_thread
from ...streams.pump import FileSink, thread_buffer
from .address import Address, daemon_address, tls_context
from .messages import LIMIT, TAIL, DaemonErrorMapping, check_archive_tail, error_from_response

if TYPE_CHECKING:
    import ssl

    from ...access import Access, Network

T = TypeVar("T")
# The origin of every request. The connector has a target, so no connection goes to this host.
ORIGIN = Origin("http", "docker", 80)
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
_SAVING = "loading image from docker engine"


class DaemonClient:
    """A client of the Docker Engine API. Each request has a connection of its own; no proxy is used.

    ``threads`` limits the worker threads of requests, ``stall_timeout`` is in seconds.
    """

    def __init__(self, address: Address, context: ssl.SSLContext | None, network: Network) -> None:
        from anyio import CapacityLimiter

        self._address, self._context, self._network = address, context, network
        self._version = ""
        # Blobs have another limiter: their threads wait for an archive to be sent.
        self.threads = CapacityLimiter(8)
        self.stall_timeout = network.stall_timeout

    @classmethod
    async def open(cls, access: Access) -> DaemonClient:
        """Return a client for the daemon in ``access.network``, which uses the newest version of the daemon's API.

        Sends a request for that version. Raises `InvalidInput` for an address or certificates that cannot be used,
        `Offline` and other kinds of `NetworkError`.
        """

        def warn(message: str) -> None:
            access.report(Warned(message))

        access.network.check_online("connecting to the Docker daemon")
        address = daemon_address(access.network, access.trust)
        context = tls_context(access.trust, warn) if address.tls else None
        client = cls(address, context, access.network)
        await client._negotiate()
        return client

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
        """Send a request and return the response, whose body has not been read.

        ``what`` describes the request in messages. Raises `DaemonError` for any status but 200, and `NetworkError`.
        """
        version = f"/v{self._version}" if self._version else ""
        target = f"{self._address.prefix}{version}{path}"
        fields = {"Host": self._address.header, "User-Agent": self._network.user_agent, "Connection": "close"}
        fields.update(headers or {})
        request = Request(method, Route(ORIGIN), target, tuple(fields.items()), body, timeouts=timeouts)
        send = partial(_send, self._connector(what), request, what)
        # A cancellation does not wait for the thread: it may be resolving a name, which cannot be interrupted.
        return await run_in_thread(send, discard=ResponseReader.close, limiter=self.threads)

    def errors(self, what: str) -> DaemonErrorMapping:
        """Return the mapping of the errors of a request; ``what`` describes the request in messages."""
        return DaemonErrorMapping(self._address, what, self._network.connect_timeout)

    async def while_pinging(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``work``, and request ``/_ping`` every ``stall_timeout`` seconds meanwhile.

        So there is no limit for a request that keeps the daemon busy, as long as the daemon responds to pings. Raises
        what ``work`` raises, and `NetworkError` when a ping fails.
        """
        from anyio import create_task_group, sleep

        async def ping() -> None:
            while True:
                await sleep(self.stall_timeout)
                (await self._ping(f"waiting for {self._address.name}")).close()

        with first_error():
            async with create_task_group() as tasks:
                tasks.start_soon(ping)
                result = await work()
                tasks.cancel_scope.cancel()
        return result

    @asynccontextmanager
    async def save(self, name: str, scratch: Path | None) -> AsyncIterator[Path]:
        """Download the archive of an image to a temporary file (GET ``/images/get``), which is removed on exit.

        Raises `PathNotFound` if there is no such image, and `NetworkError`.
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
            response = await self._ping(f"asking {self._address.name} for its version")
        except DaemonError as error:
            if error.status == 400 and "HTTPS" in str(error):
                hint = "say https://, or name a directory with its certificates by a --cert-dir flag"
                raise DaemonError(f"{error}; {hint}", status=error.status) from None
            raise
        response.close()
        found = response.header("Api-Version")
        if _VERSION.fullmatch(found):
            self._version = found

    async def _ping(self, what: str) -> ResponseReader:
        """Request ``/_ping``, to which a daemon responds at once even if it is busy."""
        timeouts = ResponseTimeouts(self.stall_timeout, self.stall_timeout)
        return await self.request("GET", "/_ping", what, timeouts=timeouts)

    async def _get_image(self, name: str) -> ResponseReader:
        timeouts = ResponseTimeouts(head=None, body=self.stall_timeout)
        try:
            return await self.request("GET", f"/images/get?names={quote(name, safe='')}", _SAVING, timeouts=timeouts)
        except DaemonError as error:
            if missing := error if error.status == 404 else await self._not_found_error(name):
                raise PathNotFound(str(missing)) from None
            raise

    async def _not_found_error(self, name: str) -> DaemonError | None:
        """Return the error if there is no image ``name``, otherwise None.

        For a missing image some daemons respond to GET ``/images/get`` with status 500.
        """
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
            response_timeout=self._network.response_timeout,
            target=self._address.target,
            errors=self.errors(what),
            rate_limits=self._network.rate_limits,
        )


def _write(reader: ResponseReader, sink: FileSink) -> None:
    """Write the archive of an image to a file; raises `DaemonError` for an error message at its end."""
    buffer = thread_buffer()
    while count := reader.readinto(buffer):
        sink.write(buffer[:count])
        check_cancelled()
    check_archive_tail(read_range(sink.path, max(0, os.fstat(sink.fd).st_size - TAIL), TAIL), _SAVING)


def _send(connector: Connector, request: Request, what: str) -> ResponseReader:
    """Send a request, in a worker thread; raises `DaemonError` for any status but 200."""
    # No prefetch, which fails if the connection breaks: an error message before that is to be read.
    pool = ConnectionPool(connector, prefetch=None)
    response = ResponseReader(pool, request.route, pool.send(request))
    if response.status != 200:
        with closing(response):
            deadline = DocumentDeadline(connector.stall_timeout, connector.response_timeout)
            raise error_from_response(response.status, _error_body(response, deadline), what)
    return response


def _error_body(response: ResponseReader, deadline: DocumentDeadline) -> bytes:
    """Return at most `LIMIT` bytes of the body, those that arrive before ``deadline``; none if the connection breaks.

    Raises `Stalled`.
    """
    body, buffer = bytearray(), thread_buffer()
    try:
        while len(body) < LIMIT and deadline.left(len(body)):
            count = response.readinto(buffer[: LIMIT - len(body)])
            if not count:
                break
            body += buffer[:count]
    except Stalled:
        raise
    except ConnectionFailed:
        return b""
    return bytes(body)
