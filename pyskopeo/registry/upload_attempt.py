"""One attempt to upload a blob: the requests that carry what a worker thread writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..errors import ConnectionFailed, PyskopeoError
from ..http.loop_bridge import run_in_loop
from ..http.request_body import Outgoing
from .response_checks import refused
from .upload_session import range_end, with_digest

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ..http.httpx_import import httpx
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .upload_session import UploadSession

_TAKEN = frozenset({200, 201, 202, 204})
# Seconds. How long to wait for a registry's reason after it has stopped reading.
_REASON_SECONDS = 6.0
# Seconds. How long to wait for the response to a request that is given up.
_GIVE_UP_SECONDS = 0.7
# Bytes. Blobs up to this size are sent in one request.
SMALL = 1024 * 1024


class UploadAttempt:
    """The sink of one attempt; written to by one worker thread, everything else runs in the event loop.

    A small blob is sent when it is verified, by one PUT. A larger one is streamed by PATCH, and what
    completes it is sent when it is verified; so a registry never has the whole of content that turns
    out to be wrong, and an attempt that is given up can be ended in order.
    """

    def __init__(self, upload: UploadSession, digest: Digest | None, what: str) -> None:
        """``digest`` is the blob's, if it is known before; ``what`` begins the messages of errors."""
        self._upload, self._digest, self._what = upload, digest, what
        self._tasks: TaskGroup | None = None
        self._request: _Request | None = None
        self._failure: PyskopeoError | None = None
        self._begin()

    async def run(self, fill: Callable[[UploadAttempt], Awaitable[Descriptor]]) -> Descriptor:
        """Have ``fill`` write the blob, and complete the upload with the descriptor that it returns."""
        failure: PyskopeoError | None = None
        async with anyio.create_task_group() as self._tasks:
            try:
                descriptor = await fill(self)
                await self._finish(descriptor)
            except PyskopeoError as error:
                # Raised outside, where no group is put around it.
                failure = await self._reason(error)
            finally:
                await self._give_up()
        if failure is not None:
            raise failure
        return descriptor

    def failed_here(self, error: PyskopeoError) -> bool:
        """Whether ``error`` came from the upload, not from where the bytes are read."""
        return error is self._failure

    def write(self, buffer: memoryview) -> None:
        """Send the bytes that the registry does not have; raises `NetworkError`."""
        if self._small is not None:
            self._small += buffer
            return
        if self._skip:
            skipped = min(self._skip, len(buffer))
            self._skip -= skipped
            buffer = buffer[skipped:]
        try:
            while len(buffer):
                if self._request is None:
                    run_in_loop(self._send_patch)
                assert self._request is not None
                self._upload.state.sent = self._upload.state.offset + self._request.sent + len(buffer)
                buffer = self._request.write(buffer)
                if self._request.full:
                    run_in_loop(self._end_patch)
        except PyskopeoError as error:
            self._failure = error
            raise

    def restart(self) -> None:
        """Forget what was written: it is cancelled at the registry, and another upload begins with the next bytes."""

        async def restart() -> None:
            await self._give_up()
            self._request = None
            await self._upload.cancel()

        run_in_loop(restart)
        self._begin()

    def _begin(self) -> None:
        state = self._upload.state
        self._skip = state.offset
        small = state.size is not None and state.size <= SMALL and not state.offset and state.piece is None
        self._small = bytearray() if small else None

    async def _send_patch(self) -> None:
        """Begin a PATCH: for all bytes that follow, or for a piece where the registry takes no more at once."""
        upload, state = self._upload, self._upload.state
        await upload.open(self._digest)
        headers = {"Content-Type": "application/octet-stream"}
        room = None
        if state.size is None or state.piece is None:
            headers["Transfer-Encoding"] = "chunked"
        else:
            room = min(state.size - state.offset, max(state.piece, state.shortest))
            headers["Content-Length"] = str(room)
            headers["Content-Range"] = f"{state.offset}-{state.offset + room - 1}"
        self._request = _Request(Outgoing(), room)
        assert self._tasks is not None
        send = partial(upload.session.send_stream, "PATCH", upload.location, headers)
        self._tasks.start_soon(self._request.exchange, send)

    async def _end_patch(self) -> None:
        """End the body of a PATCH and read the response."""
        request, state = self._request, self._upload.state
        assert request is not None
        request.body.finish()
        response = await request.response()
        self._request = None
        if response.status_code not in _TAKEN:
            raise await refused(self._upload.session, response, self._what)
        await response.aclose()
        self._upload.follow(response)
        reached = state.offset + request.sent
        kept = range_end(response)
        if kept is not None and kept != reached:
            state.broken = state.resumed
            raise ConnectionFailed(f"{self._what}: the registry has {kept} bytes where {reached} were sent")
        state.offset = reached

    async def _finish(self, descriptor: Descriptor) -> None:
        """PUT what completes the blob, which is whole and verified, and its digest."""
        upload, state = self._upload, self._upload.state
        try:
            if self._request is not None:
                await self._end_patch()
            await upload.open(self._digest)
            url = with_digest(upload.location, descriptor.digest)
            content = bytes(self._small or b"")
            state.sent = state.offset + len(content)
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
            response = await upload.session.request("PUT", url, headers, content=content)
            if response.status_code not in _TAKEN:
                raise await refused(upload.session, response, self._what)
            await response.aclose()
            upload.location = ""
        except PyskopeoError as error:
            self._failure = error
            raise

    async def _reason(self, error: PyskopeoError) -> PyskopeoError:
        """What the registry said when it stopped reading, if it said anything."""
        request = self._request
        if error is not self._failure or request is None:
            return error
        with anyio.move_on_after(_REASON_SECONDS):
            try:
                response = await request.response()
                if response.status_code < 400:
                    await response.aclose()
                    return error
                self._failure = await refused(self._upload.session, response, self._what)
            except PyskopeoError as better:
                self._failure = better
        return self._failure

    async def _give_up(self) -> None:
        """End the request under way; its response may say where to cancel the upload."""
        if self._request is None:
            return
        self._request.body.stop()
        with anyio.move_on_after(_GIVE_UP_SECONDS, shield=True), suppress(PyskopeoError):
            response = await self._request.response()
            await response.aclose()
            if response.status_code in _TAKEN:
                self._upload.follow(response)
        self._request.scope.cancel()


class _Request:
    """A request under way; ``room`` bytes belong in its body, None: as many as are written.

    It outlives a cancellation for as long as its response is waited for (``scope``).
    """

    def __init__(self, body: Outgoing, room: int | None) -> None:
        self.body, self.scope = body, anyio.CancelScope(shield=True)
        self.sent = 0
        self._room = room
        self._done = anyio.Event()
        self._response: httpx.Response | None = None
        self._error: PyskopeoError | None = None

    @property
    def full(self) -> bool:
        return self._room == self.sent

    def write(self, buffer: memoryview) -> memoryview:
        """Send what there is room for; returns the rest."""
        part = buffer if self._room is None else buffer[: self._room - self.sent]
        self.body.write(part)
        self.sent += len(part)
        return buffer[len(part) :]

    async def exchange(self, send: Callable[[Outgoing], Awaitable[httpx.Response]]) -> None:
        """Send the request, body and all; never raises, `response` does."""
        try:
            with self.scope:
                self._response = await send(self.body)
        except PyskopeoError as error:
            self._error = error
        finally:
            self.body.stop()
            self._done.set()

    async def response(self) -> httpx.Response:
        await self._done.wait()
        if self._response is None:
            raise self._error or ConnectionFailed("given up", temporary=False)
        return self._response
