"""One attempt to upload a blob: PUT and PATCH requests with the bytes that a worker thread writes.

Distribution specification 1.1, "Single POST", "POST then PUT" and "Pushing a blob in chunks". A PATCH for all bytes has
no ``Content-Range``. It has a ``Content-Length``, or ``Transfer-Encoding: chunked`` if the size is known only at the
end, or a later run may continue the upload: such a body can be ended early, and the response says where to continue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..errors import InvalidContent, NetworkError, PyskopeoError
from ..http.loop_bridge import call_in_loop, run_in_loop
from ..http.request_body import RequestBody
from .response_checks import read_error
from .streamed_request import StreamedRequest
from .upload_session import CANCEL_SECONDS, range_end, with_digest
from .whole_posts import LIMIT as MONOLITHIC_SIZE

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
# Bytes of a streamed PUT that are sent when the whole blob has been verified.
_HELD = 16 * 1024


class UploadAttempt:
    """The sink of one attempt. `write` and `restart` run in one worker thread, everything else in the event loop.

    A blob that is not large is sent by one PUT, or, if it is small, by the POST alone where the registry takes that. A
    larger one is streamed by PATCH. What completes an upload, the last bytes of a PUT or a final one, is sent when the
    blob has been verified. So a registry never stores content that turns out to be wrong, and an attempt can be ended
    cleanly at any time. The upload is opened while the source is asked for the first bytes.
    """

    def __init__(self, upload: UploadSession, digest: Digest | None, what: str) -> None:
        """``digest`` is the blob's, None if it is not known yet; ``what`` begins the messages of errors."""
        self._upload, self._digest, self._what = upload, digest, what
        self._tasks: TaskGroup | None = None
        self._opening: _Opening | None = None
        self._request: StreamedRequest | None = None
        self._failure: PyskopeoError | None = None
        self._begin()

    async def run(self, fill: Callable[[UploadAttempt], Awaitable[Descriptor]]) -> Descriptor:
        """Call ``fill`` to write the blob, complete the upload, and return the blob's descriptor.

        ``fill`` returns that descriptor. Raises its errors, and `NetworkError`.
        """
        failure: PyskopeoError | None = None
        async with anyio.create_task_group() as self._tasks:
            try:
                if not self._may_post:
                    self._begin_opening()
                descriptor = await fill(self)
                await self._finish(descriptor)
            except PyskopeoError as error:
                # Raised outside of the task group, which would wrap it in an ExceptionGroup.
                failure = await self._response_error(error)
            finally:
                if self._opening is not None:
                    self._opening.stop()
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
                    if not self._upload.location:
                        run_in_loop(self._open)
                    call_in_loop(self._send)
                assert self._request is not None
                self._upload.sending(self._upload.state.offset + self._request.sent + len(buffer))
                buffer = self._request.write(buffer)
                if self._request.full and self._upload.state.chunk_size is not None:
                    run_in_loop(self._end_patch)
        except PyskopeoError as error:
            raise self._failed(error) from None

    def restart(self) -> None:
        """Cancel the upload at the registry if it has got bytes; those that follow are sent to another one."""

        async def restart() -> None:
            await self._abort_request()
            self._request = self._opening = None
            await self._upload.cancel()

        if self._upload.state.sent:
            run_in_loop(restart)
        self._begin()

    def _begin(self) -> None:
        state = self._upload.state
        self._skip = state.offset
        small = state.size is not None and state.size <= MONOLITHIC_SIZE
        self._small = bytearray() if small and not state.offset and state.chunk_size is None else None
        self._whole = self._digest is not None and state.fits_one_request

    @property
    def _may_post(self) -> bool:
        """Whether the blob is to be sent with the POST that opens the upload."""
        size = self._upload.state.size
        return self._small is not None and size is not None and self._upload.may_post(size)

    def _begin_opening(self) -> _Opening:
        assert self._tasks is not None
        self._opening = _Opening(self._tasks, partial(self._upload.open, self._digest))
        return self._opening

    async def _open(self) -> None:
        """Wait until there is an upload session."""
        if self._opening is not None:
            await self._opening.wait()
        if not self._upload.location:
            await self._begin_opening().wait()

    def _send(self) -> None:
        """Begin a request for all following bytes, or for one chunk if the registry limits the size of bodies.

        Called in the event loop, where the request is noted, too: a worker thread that is cancelled would not get it,
        and it would not be ended.
        """
        upload, state = self._upload, self._upload.state
        method, url = "PATCH", upload.location
        headers = {"Content-Type": "application/octet-stream"}
        length = None if state.size is None else state.size - state.offset
        if self._whole:
            assert self._digest is not None
            method, url = "PUT", with_digest(url, self._digest)
        if length is None or (state.endable and state.chunk_size is None):
            headers["Transfer-Encoding"] = "chunked"
        else:
            if state.chunk_size is not None:
                length = min(length, max(state.chunk_size, state.min_chunk_size))
                headers["Content-Range"] = f"{state.offset}-{state.offset + length - 1}"
            headers["Content-Length"] = str(length)
        body = RequestBody(end_seconds=_END_SECONDS) if upload.recorded else RequestBody()
        self._request = StreamedRequest(body, length, _HELD if self._whole else 0)
        assert self._tasks is not None
        self._tasks.start_soon(self._request.exchange, partial(upload.session.send_stream, method, url, headers))

    async def _end_patch(self) -> None:
        """End the body of a PATCH and read the response."""
        request, state = self._request, self._upload.state
        assert request is not None
        response = await self._response()
        await self._check(response)
        self._upload.update_location(response)
        # All bytes were sent and accepted. The response's Range is a hint: some registries state one byte too many, or
        # the end of the first chunk for ever. The digest in the final PUT decides.
        state.offset += request.sent
        state.disputed = state.disputed or range_end(response) not in (None, state.offset)

    async def _response(self) -> Response:
        """End the body of the current request, and return its response."""
        assert self._request is not None
        self._request.finish()
        response = await self._request.response()
        self._request = None
        return response

    async def _check(self, response: Response) -> None:
        """Raise the registry's error if ``response`` is one; close it."""
        if response.status_code not in _SUCCESS:
            raise await read_error(self._upload.session, response, self._what)
        await response.aclose()

    async def _finish(self, descriptor: Descriptor) -> None:
        """Complete the upload by a PUT with the digest, and with the content of a small blob.

        The blob is complete and verified.
        """
        upload = self._upload
        try:
            if self._whole and self._request is not None:
                await self._check(await self._response())
            elif not await self._post_whole(descriptor):
                await self._put(descriptor)
            upload.location = ""
        except PyskopeoError as error:
            raise self._failed(error) from None

    async def _post_whole(self, descriptor: Descriptor) -> bool:
        """Send a small blob with the POST alone, where the registry may take that; return whether it was taken."""
        if self._small is None or self._opening is not None or self._upload.location:
            return False
        return await self._upload.post_whole(descriptor.digest, bytes(self._small))

    async def _put(self, descriptor: Descriptor) -> None:
        """PUT the content of a small blob, or nothing after the PATCH of a larger one."""
        upload, state = self._upload, self._upload.state
        if self._request is not None:
            await self._end_patch()
        await self._open()
        url, content = with_digest(upload.location, descriptor.digest), bytes(self._small or b"")
        upload.sending(state.offset + len(content))
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
        await self._check(await upload.session.request("PUT", url, headers, content=content))

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
        self._request.stop()
        seconds = _KEEP_SECONDS if self._upload.recorded else _ABORT_SECONDS
        with anyio.move_on_after(seconds, shield=True), suppress(PyskopeoError):
            response = await self._request.response()
            await response.aclose()
            if response.status_code in _SUCCESS and self._whole:
                self._upload.location = ""  # it was complete, and the response's Location is the blob's
            elif response.status_code in _SUCCESS:
                self._upload.update_location(response)
        self._request.scope.cancel()


class _Opening:
    """The opening of an upload beside other work of the attempt, in the task group ``tasks``.

    A cancellation leaves it `CANCEL_SECONDS` to finish, so that it is known what is to be cancelled.
    """

    def __init__(self, tasks: TaskGroup, open: Callable[[], Awaitable[None]]) -> None:
        self._scope, self._done = anyio.CancelScope(shield=True), anyio.Event()
        self._error: PyskopeoError | None = None
        tasks.start_soon(self._run, open)

    async def _run(self, open: Callable[[], Awaitable[None]]) -> None:
        try:
            with self._scope:
                await open()
        except PyskopeoError as error:
            self._error = error
        finally:
            self._done.set()

    def stop(self) -> None:
        """Give it up, unless it ends soon."""
        self._scope.deadline = anyio.current_time() + CANCEL_SECONDS

    async def wait(self) -> None:
        """Wait for the end; raises what the opening raised."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
