"""One attempt to upload a blob: PATCH and PUT requests with the bytes that a worker thread writes.

Distribution specification 1.1, "POST then PUT" and "Pushing a blob in chunks". A PATCH for all bytes has no
``Content-Range``. It has a ``Content-Length``, or ``Transfer-Encoding: chunked`` if the size is known only at the end,
or a later run may continue the upload: such a body can be ended early, and the response says where to continue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..errors import ConnectionFailed, InvalidContent, NetworkError, PyskopeoError
from ..http.loop_bridge import run_in_loop
from ..http.request_body import RequestBody
from .response_checks import read_error
from .upload_session import range_end, with_digest

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ..http.messages import Response
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .upload_session import UploadSession

_SUCCESS = frozenset({200, 201, 202, 204})
# Seconds to wait for a response after the registry has stopped reading.
_REASON_SECONDS = 6.0
# Seconds to wait for the response to a request that is aborted.
_ABORT_SECONDS = 0.7
# Seconds that a body may take to end, and its response, if a later run is to continue the upload.
_END_SECONDS, _KEEP_SECONDS = 1.5, 2.0
# Bytes. Blobs up to this size are uploaded by one PUT ("monolithic").
MONOLITHIC_SIZE = 1024 * 1024


class UploadAttempt:
    """The sink of one attempt. `write` and `restart` run in one worker thread, everything else in the event loop.

    A small blob is sent by one PUT when it has been verified. A larger one is streamed by PATCH, and the final PUT is
    sent when it has been verified. So a registry never stores content that turns out to be wrong, and an attempt can be
    ended cleanly at any time.
    """

    def __init__(self, upload: UploadSession, digest: Digest | None, what: str) -> None:
        """``digest`` is the blob's, None if it is not known yet; ``what`` begins the messages of errors."""
        self._upload, self._digest, self._what = upload, digest, what
        self._tasks: TaskGroup | None = None
        self._request: _PatchRequest | None = None
        self._failure: PyskopeoError | None = None
        self._begin()

    async def run(self, fill: Callable[[UploadAttempt], Awaitable[Descriptor]]) -> Descriptor:
        """Call ``fill`` to write the blob, complete the upload, and return the blob's descriptor.

        ``fill`` returns that descriptor. Raises its errors, and `NetworkError`.
        """
        failure: PyskopeoError | None = None
        async with anyio.create_task_group() as self._tasks:
            try:
                descriptor = await fill(self)
                await self._finish(descriptor)
            except PyskopeoError as error:
                # Raised outside of the task group, which would wrap it in an ExceptionGroup.
                failure = await self._response_error(error)
            finally:
                await self._abort_request()
        if failure is not None:
            raise failure
        return descriptor

    def failed_here(self, error: PyskopeoError) -> bool:
        """Return whether ``error`` is of the upload, not of the source of the bytes."""
        return error is self._failure

    def write(self, buffer: memoryview) -> None:
        """Send ``buffer``, without the bytes that the registry has already; raises `NetworkError`."""
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
                self._upload.sending(self._upload.state.offset + self._request.sent + len(buffer))
                buffer = self._request.write(buffer)
                if self._request.full:
                    run_in_loop(self._end_patch)
        except PyskopeoError as error:
            raise self._failed(error) from None

    def restart(self) -> None:
        """Cancel the upload at the registry; the next bytes begin another one."""

        async def restart() -> None:
            await self._abort_request()
            self._request = None
            await self._upload.cancel()

        run_in_loop(restart)
        self._begin()

    def _begin(self) -> None:
        state = self._upload.state
        self._skip = state.offset
        small = state.size is not None and state.size <= MONOLITHIC_SIZE
        self._small = bytearray() if small and not state.offset and state.chunk_size is None else None

    async def _send_patch(self) -> None:
        """Begin a PATCH for all following bytes, or for one chunk if the registry limits the size of bodies."""
        upload, state = self._upload, self._upload.state
        await upload.open(self._digest)
        headers = {"Content-Type": "application/octet-stream"}
        length = None if state.size is None else state.size - state.offset
        if length is None or (state.endable and state.chunk_size is None):
            headers["Transfer-Encoding"] = "chunked"
        else:
            if state.chunk_size is not None:
                length = min(length, max(state.chunk_size, state.min_chunk_size))
                headers["Content-Range"] = f"{state.offset}-{state.offset + length - 1}"
            headers["Content-Length"] = str(length)
        body = RequestBody(end_seconds=_END_SECONDS) if upload.recorded else RequestBody()
        self._request = _PatchRequest(body, length)
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
        if response.status_code not in _SUCCESS:
            raise await read_error(self._upload.session, response, self._what)
        await response.aclose()
        self._upload.update_location(response)
        # All bytes were sent and accepted. The response's Range is a hint: some registries state one byte too many, or
        # the end of the first chunk for ever. The digest in the final PUT decides.
        state.offset += request.sent
        state.disputed = state.disputed or range_end(response) not in (None, state.offset)

    async def _finish(self, descriptor: Descriptor) -> None:
        """Complete the upload by a PUT with the digest, and with the content of a small blob.

        The blob is complete and verified.
        """
        upload, state = self._upload, self._upload.state
        try:
            if self._request is not None:
                await self._end_patch()
            await upload.open(self._digest)
            url = with_digest(upload.location, descriptor.digest)
            content = bytes(self._small or b"")
            upload.sending(state.offset + len(content))
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
            response = await upload.session.request("PUT", url, headers, content=content)
            if response.status_code not in _SUCCESS:
                raise await read_error(upload.session, response, self._what)
            await response.aclose()
            upload.location = ""
        except PyskopeoError as error:
            raise self._failed(error) from None

    def _failed(self, error: PyskopeoError) -> PyskopeoError:
        """Record ``error`` as the upload's own and return it.

        A response that violates the specification becomes a `NetworkError`: a sink raises `InvalidContent` for wrong
        bytes only, for which the source is asked again.
        """
        self._failure = NetworkError(str(error)) if isinstance(error, InvalidContent) else error
        return self._failure

    async def _response_error(self, error: PyskopeoError) -> PyskopeoError:
        """Return the error in the registry's response if it stopped reading, otherwise ``error``."""
        request = self._request
        if error is not self._failure or request is None:
            return error
        with anyio.move_on_after(_REASON_SECONDS):
            try:
                response = await request.response()
                if response.status_code < 400:
                    await response.aclose()
                    return error
                self._failure = await read_error(self._upload.session, response, self._what)
            except PyskopeoError as response_error:
                self._failure = response_error
        return self._failure

    async def _abort_request(self) -> None:
        """Abort the current request; its response may have the URL at which to cancel or continue the upload."""
        if self._request is None:
            return
        self._request.body.stop()
        seconds = _KEEP_SECONDS if self._upload.recorded else _ABORT_SECONDS
        with anyio.move_on_after(seconds, shield=True), suppress(PyskopeoError):
            response = await self._request.response()
            await response.aclose()
            if response.status_code in _SUCCESS:
                self._upload.update_location(response)
        self._request.scope.cancel()


class _PatchRequest:
    """A PATCH being sent, with a body of ``length`` bytes; None: as many as are written.

    Its ``scope`` is shielded from a cancellation, so that its response can still be read.
    """

    def __init__(self, body: RequestBody, length: int | None) -> None:
        self.body, self.scope = body, anyio.CancelScope(shield=True)
        self.sent = 0
        self._length = length
        self._done = anyio.Event()
        self._response: Response | None = None
        self._error: PyskopeoError | None = None

    @property
    def full(self) -> bool:
        """Whether all bytes of a body of known length have been sent."""
        return self._length == self.sent

    def write(self, buffer: memoryview) -> memoryview:
        """Send the bytes that belong to this body, and return the rest."""
        part = buffer if self._length is None else buffer[: self._length - self.sent]
        self.body.write(part)
        self.sent += len(part)
        return buffer[len(part) :]

    async def exchange(self, send: Callable[[RequestBody], Awaitable[Response]]) -> None:
        """Send the request and its body; errors are not raised here, but by `response`."""
        try:
            with self.scope:
                self._response = await send(self.body)
        except PyskopeoError as error:
            self._error = error
        finally:
            self.body.stop()
            self._done.set()

    async def response(self) -> Response:
        """Wait for the response and return it; raises `NetworkError`."""
        await self._done.wait()
        if self._response is None:
            raise self._error or ConnectionFailed("given up", temporary=False)
        return self._response
