"""Send an archive to a daemon while it is written: POST ``/images/load`` (Docker Engine API)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING

from ...errors import ConnectionFailed, DaemonError, InvalidContent, NetworkError, PyskopeoError, TooLarge, first_error
from ...http.connection_pool import ResponseReader
from ...http.loop_bridge import run_in_loop
from ...http.streamed_body import StreamedBody
from ...http.time_limits import ResponseTimeouts
from ...streams.cancellation import run_in_thread
from .engine_api import ORIGIN, DaemonClient
from .messages import LIMIT, check_messages

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

_LOADING = "saving image to docker engine"
_HEADERS = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
# Bytes. Smaller writes are buffered until there is more to send, or until the end.
_SMALL = 64 * 1024


class ImageLoad:
    """The sink of one archive, which is the chunked body of one POST ``/images/load``.

    The request is sent with the first bytes. Without `finish` the daemon receives neither the end of the archive nor
    the end of the body, so it loads nothing. Worker threads write to it, one at a time.
    """

    def __init__(self, client: DaemonClient, tasks: TaskGroup) -> None:
        from anyio import Event

        self._client, self._tasks = client, tasks
        self._errors = client.errors(_LOADING)
        self._buffered = bytearray()
        self._body: StreamedBody | None = None
        self._done = Event()
        self._error: PyskopeoError | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, client: DaemonClient) -> AsyncIterator[ImageLoad]:
        """Open a load; on exit without `finish` the request is aborted."""
        from anyio import create_task_group

        with first_error():
            async with create_task_group() as tasks:
                yield cls(client, tasks)
                tasks.cancel_scope.cancel()

    def write(self, buffer: memoryview) -> None:
        """Send ``buffer``, or keep it for the next write; raises `DaemonError`, `ConnectionFailed` and `Cancelled`."""
        if len(buffer) + len(self._buffered) < _SMALL:
            # The two empty blocks at the end of an archive are small, so they are not sent before `finish`.
            self._buffered += buffer
            return
        self._flush()
        if len(buffer) < _SMALL:
            self._buffered += buffer
        else:
            self._send(buffer)

    async def finish(self) -> None:
        """Send the rest, if anything was written, and wait until the daemon has loaded the image.

        Raises `DaemonError`, `ConnectionFailed` and `InvalidContent`.
        """
        await run_in_thread(self._flush)
        if self._body is not None:
            self._body.finish()
            await self._client.while_pinging(self._done.wait)
            if self._error is not None:
                raise self._error

    def _flush(self) -> None:
        if self._buffered:
            content, self._buffered = self._buffered, bytearray()
            self._send(memoryview(content))

    def _send(self, buffer: memoryview) -> None:
        if self._body is None:
            self._body = run_in_loop(self._start_request)
        try:
            self._body.write(buffer)
        except NetworkError as error:
            raise run_in_loop(self._failure) from error

    async def _start_request(self) -> StreamedBody:
        body = StreamedBody(end_if_stopped=False, continue_on_success=True)
        self._tasks.start_soon(self._exchange, body)
        return body

    async def _exchange(self, body: StreamedBody) -> None:
        """Send the request and read the response to its end; an error is kept in ``_error``."""
        # No timeouts: `DaemonClient.while_pinging` detects a daemon that does not respond any more.
        timeouts = ResponseTimeouts(head=None, body=None)
        try:
            response = await self._client.request(
                "POST", "/images/load?quiet=1", _LOADING, headers=_HEADERS, body=body, timeouts=timeouts
            )
            with closing(response):
                await run_in_thread(partial(_read_messages, response), limiter=self._client.threads)
            if not body.complete:
                raise self._errors.exchange_error(ConnectionResetError(), ORIGIN)
        except PyskopeoError as error:
            self._error = error
            if error is body.failure:  # sending stalled: raise an error that names the daemon
                self._error = self._errors.stall_error(ORIGIN, self._client.stall_timeout)
        finally:
            body.stop()
            self._done.set()

    async def _failure(self) -> PyskopeoError:
        """Return the error in the daemon's response if it stopped reading, otherwise that of the connection.

        A response that cannot be read is a `DaemonError` here: a sink raises `InvalidContent` for wrong bytes only, for
        which the source is asked again.
        """
        await self._done.wait()
        assert self._error is not None
        return DaemonError(str(self._error), status=200) if isinstance(self._error, InvalidContent) else self._error


def _read_messages(response: ResponseReader) -> None:
    """Read the messages in a response, to its end.

    Raises `DaemonError` for an error in them, even if the connection breaks after it, and `InvalidContent`.
    """
    body, buffer = bytearray(), memoryview(bytearray(64 * 1024))
    try:
        while count := response.readinto(buffer):
            body += buffer[:count]
            if len(body) > LIMIT:
                raise TooLarge(f"{_LOADING}: the daemon's answer is over the limit of {LIMIT} bytes", limit=LIMIT)
    except ConnectionFailed:
        check_messages(bytes(body), _LOADING, whole=False)
        raise
    check_messages(bytes(body), _LOADING)
