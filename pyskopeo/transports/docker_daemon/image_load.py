"""An archive that is sent to a daemon while it is written: POST ``/images/load`` (Docker Engine API)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING

from ...errors import ConnectionFailed, NetworkError, PyskopeoError, TooLarge, first_error
from ...http.connection_pool import ResponseReader, ResponseTimeouts
from ...http.loop_bridge import run_in_loop
from ...http.streamed_body import StreamedBody
from ...streams.cancellation import run_in_thread
from .engine_api import ORIGIN, Engine
from .messages import LIMIT, check_messages

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

_LOADING = "saving image to docker engine"
_HEADERS = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
# Smaller writes, in bytes, are kept until more has come, or until the end.
_SMALL = 64 * 1024


class ImageLoad:
    """The sink of one archive, the body of one POST ``/images/load`` in chunks.

    The request is sent when there is something to send. Without `finish` the daemon gets neither the end
    of the archive nor the end of the body, so it loads nothing. Written to by worker threads, one at a time.
    """

    def __init__(self, engine: Engine, tasks: TaskGroup) -> None:
        from anyio import Event

        self._engine, self._tasks = engine, tasks
        self._errors = engine.errors(_LOADING)
        self._kept = bytearray()
        self._body: StreamedBody | None = None
        self._done = Event()
        self._error: PyskopeoError | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, engine: Engine) -> AsyncIterator[ImageLoad]:
        """Left without `finish`, the request is broken off."""
        from anyio import create_task_group

        with first_error():
            async with create_task_group() as tasks:
                yield cls(engine, tasks)
                tasks.cancel_scope.cancel()

    def write(self, buffer: memoryview) -> None:
        """Raises `DaemonError`, `ConnectionFailed` and `Cancelled`."""
        if len(buffer) + len(self._kept) < _SMALL:
            # So the two empty blocks at the end of an archive are never sent before `finish`.
            self._kept += buffer
            return
        self._flush()
        if len(buffer) < _SMALL:
            self._kept += buffer
        else:
            self._send(buffer)

    async def finish(self) -> None:
        """Send the end, if anything was written, and wait until the image is loaded.

        Raises `DaemonError`, `ConnectionFailed`, `InvalidContent`.
        """
        await run_in_thread(self._flush)
        if self._body is not None:
            self._body.finish()
            await self._engine.while_pinging(self._done.wait)
            if self._error is not None:
                raise self._error

    def _flush(self) -> None:
        if self._kept:
            content, self._kept = self._kept, bytearray()
            self._send(memoryview(content))

    def _send(self, buffer: memoryview) -> None:
        if self._body is None:
            self._body = run_in_loop(self._begin)
        try:
            self._body.write(buffer)
        except NetworkError as error:
            raise run_in_loop(self._failure) from error

    async def _begin(self) -> StreamedBody:
        body = StreamedBody(end_if_stopped=False, continue_on_success=True)
        self._tasks.start_soon(self._exchange, body)
        return body

    async def _exchange(self, body: StreamedBody) -> None:
        """Send the request and read the response to its end; never raises, ``_error`` is what failed."""
        # No limit: whether the daemon is alive is found out by `Engine.while_pinging`.
        timeouts = ResponseTimeouts(head=None, body=None)
        try:
            response = await self._engine.request(
                "POST", "/images/load?quiet=1", _LOADING, headers=_HEADERS, body=body, timeouts=timeouts
            )
            with closing(response):
                await run_in_thread(partial(_read_messages, response), limiter=self._engine.threads)
            if not body.complete:
                raise self._errors.exchanging(ConnectionResetError(), ORIGIN)
        except PyskopeoError as error:
            self._error = error
            if error is body.failure:  # sending stalled, and the body does not know who is at the other end
                self._error = self._errors.stalled(ORIGIN, self._engine.stall_timeout)
        finally:
            body.stop()
            self._done.set()

    async def _failure(self) -> PyskopeoError:
        """What the daemon said when it stopped reading, or else that the connection broke."""
        await self._done.wait()
        assert self._error is not None
        return self._error


def _read_messages(response: ResponseReader) -> None:
    """Read the response to its end.

    Raises `DaemonError` for an error in it, even if the connection breaks after that, and `InvalidContent`.
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
