"""Download a blob (distribution specification 1.1, "Pulling blobs"), with range requests, retries and mirrors.

A download whose connection breaks is resumed with a Range request (RFC 9110 section 14.2) at the next missing byte, at
the same endpoint or at the next one. `DownloadState` decides what to do; this module sends the requests and reads the
bytes. `streams.pump` verifies the bytes, and calls `BlobDownload.restart` if they are wrong.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Self

from ..errors import ConnectionFailed, InvalidContent, PyskopeoError, Stalled
from ..http.loop_bridge import run_in_loop
from ..http.time_limits import BlobTime, TooSlow
from ..streams.byte_streams import BlobReader, SkippingReader
from .content_range import blob_part, describe_encoding, strong_etag
from .download_state import DownloadState, Step
from .mirrors import all_transient, combine_errors
from .range_hosts import HOSTS

if TYPE_CHECKING:
    from types import TracebackType

    from ..access import Ranges
    from ..http.messages import Response
    from ..model.descriptor import Descriptor
    from ..streams.byte_streams import ByteReader, PartReader, PartSink
    from ..streams.progress import Progress
    from .mirrors import BlobEndpoint, BlobEndpoints
    from .range_hosts import RangeHost


class BlobDownload(BlobReader):
    """A `BlobReader` of one blob from byte ``offset`` on, which asks as many endpoints as often as it needs.

    An async context manager. Entering it sends the first request, so that the destination creates nothing if that
    fails. Raises `NetworkError`, `NotFound` and `InvalidContent` when all endpoints have failed.

    ``requested_end`` is the end of the bytes of the response that is being read, if there are only a few; else 0.
    """

    def __init__(
        self, descriptor: Descriptor, endpoints: BlobEndpoints, offset: int = 0, ranges: Ranges | None = None,
        until: int | None = None,
    ) -> None:  # fmt: skip
        """``ranges`` says when the blob is downloaded in parts; None: never.

        ``until`` is the end of the bytes that are needed at first, if that is not the end of the blob.
        """
        self.descriptor = descriptor
        self._endpoints, self.report = endpoints, endpoints.report
        # What a foreign layer's URLs have is not requested in parts.
        has_parts = ranges is not None and ranges.parts > 1 and descriptor.size >= ranges.least and not descriptor.urls
        self._ranges = ranges if has_parts else None
        retries = [repository.retry.times for repository in endpoints.repositories]
        self._state = DownloadState(retries, endpoints.position, offset)
        self._response: Response | None = None
        self._host: RangeHost | None = None
        self._body: ByteReader | None = None
        self._end: int | None = None
        self.requested_end = 0
        if offset and self._ranges is not None:
            until = min(offset + self._ranges.stretch, descriptor.size if until is None else until)
        self._until: int | None = None
        self._set_until(until)
        self._encoding = ""
        self._etag: tuple[BlobEndpoint | None, str] = None, ""
        self._time: BlobTime | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close_response()

    def readinto(self, buffer: memoryview) -> int:
        """Read into ``buffer`` and return the number of bytes; 0 at the end of the blob.

        Called in a worker thread. Raises the same errors as entering, when all endpoints have failed.
        """
        state, size = self._state, self.descriptor.size
        while True:
            if self._body is None:
                run_in_loop(self._open)
            assert self._body is not None
            try:
                count = self._read(self._body, buffer)
                if not count and self._end is None and state.offset < size:
                    raise ConnectionFailed(f"connection closed with {size - state.offset} bytes to go")
            except ConnectionFailed as error:
                if state.offset == size:
                    return 0  # the blob is complete; only the end of the response's framing is missing
                run_in_loop(partial(self._recover_from_broken_body, error))
                continue
            if not count and state.offset == self._end and state.offset < size:
                run_in_loop(self._close_response)  # the server sent a shorter range: request the rest
                continue
            state.received(count)
            return count

    def _read(self, body: ByteReader, buffer: memoryview) -> int:
        """Read from ``body``; raises `Stalled` if the blob comes too slowly."""
        started = time.monotonic()
        count = body.readinto(buffer)
        if count and self._time is not None:
            try:
                self._time.record(count, time.monotonic() - started, is_document=self.is_document)
            except TooSlow as error:
                raise Stalled(f"blob {self.descriptor.digest.short}: {error} ({error.flags})") from None
        return count

    def restart(self, error: InvalidContent) -> bool:
        """Start again with byte 0 at another endpoint, after ``error``; False if there is no other endpoint."""

        async def restart() -> bool:
            # If several endpoints sent the bytes, the warning names the first: it is the one not used any more.
            served = min(self._state.served, default=0)
            error.args = (f"{error}{self._encoding}", *error.args[1:])
            if self._state.content_mismatched() is Step.RAISE:
                return False
            self._until = None
            await self._close_response()
            self._leave_endpoint(served, error)
            return True

        return run_in_loop(restart)

    def in_parts(self, sink: PartSink, offset: int, progress: Progress) -> PartReader | None:
        if self._ranges is None:
            return None
        from .parted_download import PartedDownload  # loaded only for large blobs

        return PartedDownload(self, sink, offset, progress, self._ranges)

    @property
    def endpoint(self) -> BlobEndpoint:
        """The endpoint that the bytes come from."""
        return self._endpoints.repositories[self._state.endpoint]

    @property
    def is_open(self) -> bool:
        """Whether there is a response to read on from."""
        return self._response is not None

    def etag(self, endpoint: BlobEndpoint) -> str:
        """Return the strong entity tag that an endpoint has given for the blob, "" if it has given none."""
        found, etag = self._etag
        return etag if found is endpoint else ""

    def seek(self, offset: int, until: int) -> None:
        """Go on at ``offset``, for the bytes up to ``until``. Called in a worker thread."""
        self._set_until(until)
        if offset != self._state.offset:
            self.leave()
            self._state.skip_to(offset)

    def leave(self) -> None:
        """Close the response, if there is one. Called in a worker thread."""
        if self._response is not None:
            run_in_loop(self._close_response)

    def start_over(self) -> None:
        """Go on at byte 0 of the same endpoint. Called in a worker thread."""
        self.leave()
        self._until = None
        self._state.start_over()

    def _set_until(self, until: int | None) -> None:
        self._until = until if until is not None and until < self.descriptor.size else None

    async def _open(self) -> None:
        """Send requests until a response has the bytes from the offset on; raises when the state says so."""
        state, endpoints = self._state, self._endpoints
        failures: list[tuple[BlobEndpoint, PyskopeoError]] = []
        while self._body is None:
            state.move_to(endpoints.position)
            repository = endpoints.repositories[state.endpoint]
            what = f"reading blob {self.descriptor.digest} in {repository.name}"
            until = self._until if self._until is not None and self._until > state.offset else None
            try:
                response = await self._request(repository, what, until)
            except PyskopeoError as error:
                step = state.request_failed(temporary=error.temporary and not error.retried)
                if step is Step.RETRY:
                    await repository.retry.pause(error, state.failed_requests - 1, what, endpoints.report)
                    continue
                failures.append((repository, error))
                if step is Step.RAISE:
                    raise combine_errors(failures)  # noqa: B904 - one of these errors, not a new one
                continue
            if failures and all_transient(failures):
                endpoints.move_to(state.endpoint, failures)
            await self._use_response(response)

    async def _request(self, endpoint: BlobEndpoint, what: str, until: int | None) -> Response:
        """Send a request as soon as there may be another connection; raises as `request_blob`."""
        host, offset = HOSTS[endpoint.range_host], self._state.offset
        await HOSTS.wait_for(host, self, self.descriptor.size - offset)
        try:
            response = await endpoint.request_blob(self.descriptor, offset, what, until)
        except BaseException:
            HOSTS.release(host)
            raise
        self._host = host
        return response

    async def _use_response(self, response: Response) -> None:
        """Read from ``response`` from now on, unless it has other bytes than those requested."""
        state = self._state
        endpoint = state.endpoint
        state.response_started()
        try:
            part = blob_part(response, self.descriptor, state.offset)
        except InvalidContent as error:
            await self._close(response)
            if state.response_rejected() is Step.RAISE:
                raise
            self._leave_endpoint(endpoint, error)
            return
        self._etag = self.endpoint, strong_etag(response)
        body = response.reader
        skip = state.offset - part.start
        self._response, self._body = response, SkippingReader(body, skip) if skip else body
        self._end = part.end
        if self._ranges is not None and part.end is not None and part.end - state.offset <= self._ranges.stretch:
            self.requested_end = part.end
        self._time = BlobTime(*response.time_limits)
        self._encoding = describe_encoding(response)

    async def _recover_from_broken_body(self, error: ConnectionFailed) -> None:
        """Prepare the next request, after the wait before a retry or at the next endpoint; or raise ``error``."""
        await self._close_response()
        state, endpoints = self._state, self._endpoints
        broken = state.endpoint
        step = state.body_failed(temporary=error.temporary)
        if step is Step.RETRY:
            what = f"blob {self.descriptor.digest.short} at byte {state.offset}"
            retry = endpoints.repositories[broken].retry
            await retry.pause(error, state.broken_bodies - 1, what, endpoints.report)
        elif step is Step.NEXT:
            self._leave_endpoint(broken, error)
        else:
            raise error

    def _leave_endpoint(self, endpoint: int, error: PyskopeoError) -> None:
        """Make the endpoint of this download the current one for all blobs, because ``endpoint`` failed."""
        self._endpoints.move_to(self._state.endpoint, [(self._endpoints.repositories[endpoint], error)])

    async def _close_response(self) -> None:
        response, self._response, self._body = self._response, None, None
        self.requested_end = 0
        if response is not None:
            await self._close(response)

    async def _close(self, response: Response) -> None:
        host, self._host = self._host, None
        if host is not None:
            HOSTS.release(host)
        await response.aclose()
