"""Downloading a blob (distribution specification 1.1, "Pulling blobs"): ranges, retries and mirrors in one place.

A body that breaks off is continued with a Range request from the byte reached, at the same endpoint or at
the next one. `DownloadState` decides; here the requests are sent and the bytes read. The pump verifies
the bytes in order of offset, and asks for them again (`BlobDownload.restart`) if they are wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Self

from ..errors import (
    ConnectionFailed,
    InvalidContent,
    NetworkError,
    NotFound,
    PyskopeoError,
    RegistryError,
    UnsafeAddress,
)
from ..http.httpx_import import httpx
from ..http.loop_bridge import run_in_loop
from ..http.origin import Origin
from ..streams.pump import BlobReader
from .content_range import blob_part, starts_at
from .download_state import DownloadState, Step
from .mirrors import unreachable, with_reasons
from .response_checks import refused

if TYPE_CHECKING:
    from types import TracebackType

    from ..model.descriptor import Descriptor
    from ..streams.pump import ByteReader
    from .mirrors import Endpoints
    from .repository_reader import Repository
    from .session import Session

_MAX_URLS = 10


class BlobDownload(BlobReader):
    """A `BlobReader` over one blob, however many requests to however many endpoints it takes.

    An async context manager. Entering it sends the first request, so that a refusal is known before
    anything is created; it raises `NetworkError`, `NotFound` and `InvalidContent` when no endpoint has the blob.
    """

    def __init__(self, descriptor: Descriptor, endpoints: Endpoints) -> None:
        self._descriptor = descriptor
        self._endpoints = endpoints
        retries = [repository.retry.times for repository in endpoints.repositories]
        self._state = DownloadState(retries, endpoints.position)
        self._response: httpx.Response | None = None
        self._body: ByteReader | None = None
        self._end: int | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    def readinto(self, buffer: memoryview) -> int:
        """Fill some of ``buffer``; 0 at the end. Raises what entering raises, when all endpoints have failed."""
        state, size = self._state, self._descriptor.size
        while True:
            if self._body is None:
                run_in_loop(self._open)
            assert self._body is not None
            try:
                count = self._body.readinto(buffer)
                if not count and self._end is None and state.offset < size:
                    raise ConnectionFailed(f"connection closed with {size - state.offset} bytes to go")
            except ConnectionFailed as error:
                if state.offset == size:
                    return 0  # the blob is complete; only the end of the response is missing
                run_in_loop(partial(self._after_broken_body, error))
                continue
            if not count and state.offset == self._end and state.offset < size:
                run_in_loop(self._close)  # the server sent less than the range asked for, and all of that is here
                continue
            state.received(count)
            return count

    def restart(self, error: InvalidContent) -> bool:
        """After ``error``, go on with byte 0 from another endpoint; False if there is none."""

        async def restart() -> bool:
            # Of bytes from several endpoints the first one's are blamed, since it is the one that is left.
            served = min(self._state.served, default=0)
            if self._state.content_wrong() is Step.RAISE:
                return False
            await self._close()
            self._leave(served, error)
            return True

        return run_in_loop(restart)

    async def _open(self) -> None:
        """Send requests until one is answered with the bytes from the offset on; raises when the state says so."""
        state, endpoints = self._state, self._endpoints
        failures: list[tuple[Repository, PyskopeoError]] = []
        while self._body is None:
            state.move_to(endpoints.position)
            asked = endpoints.repositories[state.endpoint]
            what = f"reading blob {self._descriptor.digest} in {asked.reference.name}"
            try:
                response = await _request_blob(asked, self._descriptor, state.offset, what)
            except PyskopeoError as error:
                step = state.request_failed(temporary=error.temporary)
                if step is Step.RETRY:
                    await asked.retry.pause(error, state.failed_requests - 1, what, endpoints.report)
                    continue
                failures.append((asked, error))
                if step is Step.RAISE:
                    raise with_reasons(failures)  # noqa: B904 - one of these errors, not a new one
                continue
            if unreachable(failures):
                endpoints.move_to(state.endpoint, failures)
            await self._take(response)

    async def _take(self, response: httpx.Response) -> None:
        """Read from ``response`` from now on, unless it is about other bytes."""
        state = self._state
        answering = state.endpoint
        state.answered()
        try:
            part = blob_part(response, self._descriptor, state.offset)
        except InvalidContent as error:
            await response.aclose()
            if state.answer_refused() is Step.RAISE:
                raise
            self._leave(answering, error)
            return
        # Our own transport gives every response a blocking reader; other httpx transports are read through httpx.
        body: ByteReader = response.extensions.get("reader") or _ThroughLoop(response)
        skip = state.offset - part.start
        self._response, self._body = response, _Skipping(body, skip) if skip else body
        self._end = part.end

    async def _after_broken_body(self, error: ConnectionFailed) -> None:
        """Be ready for the next request, after a pause where the state says so; or raise ``error``."""
        await self._close()
        state, endpoints = self._state, self._endpoints
        broken = state.endpoint
        step = state.body_broke(temporary=error.temporary)
        if step is Step.RETRY:
            what = f"blob {self._descriptor.digest.short} at byte {state.offset}"
            retry = endpoints.repositories[broken].retry
            await retry.pause(error, state.broken_bodies - 1, what, endpoints.report)
        elif step is Step.NEXT:
            self._leave(broken, error)
        else:
            raise error

    def _leave(self, endpoint: int, error: PyskopeoError) -> None:
        """Have all other blobs read from where this one is read now, too."""
        self._endpoints.move_to(self._state.endpoint, [(self._endpoints.repositories[endpoint], error)])

    async def _close(self) -> None:
        response, self._response, self._body = self._response, None, None
        if response is not None:
            await response.aclose()


async def _request_blob(repository: Repository, descriptor: Descriptor, offset: int, what: str) -> httpx.Response:
    """GET a blob from byte ``offset`` on, once: a 200 that starts at byte 0, or a 206 at ``offset``.

    A server that cannot serve the range is asked for the whole blob. A blob that the registry does not
    have is asked for at the URLs in its descriptor. Raises `NetworkError`.
    """
    session, path = repository.session, repository.blob_path(descriptor.digest)
    try:
        response = await session.request("GET", path, {"Range": f"bytes={offset}-"} if offset else {})
        useless = response.status_code == 206 and not starts_at(response, offset, descriptor.size)
        if offset and (useless or response.status_code in (400, 403, 416)):
            # Presigned URLs, and servers that do not support ranges or get them wrong.
            await response.aclose()
            response = await session.request("GET", path, {})
        if response.status_code not in ((200, 206) if offset else (200,)):
            raise await refused(session, response, what)
    except PyskopeoError as error:
        missing = isinstance(error, NotFound) or (isinstance(error, RegistryError) and error.status == 404)
        if not (missing and descriptor.urls):
            raise
        return await _request_foreign(session, descriptor, what)
    return response


async def _request_foreign(session: Session, descriptor: Descriptor, what: str) -> httpx.Response:
    """GET a layer from the URLs of its descriptor. They are hostile input, so: https only, without
    credentials, and not on this machine or its network."""
    nowhere = f"{what}: neither the registry nor the manifest's URLs have it"
    failure: PyskopeoError = RegistryError(nowhere, status=404)
    for url in descriptor.urls[:_MAX_URLS]:
        try:
            if Origin.of(url).scheme != "https":
                raise UnsafeAddress(f"{Origin.of(url)} is not https")
            response = await session.fetch_elsewhere("GET", url)
        except (NetworkError, InvalidContent) as error:
            if error.temporary or not failure.temporary:  # what may succeed later is worth a retry
                failure = error
            continue
        if response.status_code == 200:
            return response
        await response.aclose()
    raise failure


class _Skipping:
    """A body whose first ``skip`` bytes are here already: servers may answer a Range request with the whole blob."""

    def __init__(self, body: ByteReader, skip: int) -> None:
        self._body, self._skip = body, skip

    def readinto(self, buffer: memoryview) -> int:
        while self._skip:
            count = self._body.readinto(buffer[: min(len(buffer), self._skip)])
            if not count:
                return 0
            self._skip -= count
        return self._body.readinto(buffer)


class _ThroughLoop:
    """Reads any httpx response from a worker thread, one piece at a time through the event loop."""

    def __init__(self, response: httpx.Response) -> None:
        self._pieces: AsyncIterator[bytes] = response.aiter_raw()
        self._left = memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        while not len(self._left):
            piece = run_in_loop(self._next)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    async def _next(self) -> bytes | None:
        try:
            return await anext(self._pieces, None)
        except httpx.TransportError as error:
            raise ConnectionFailed(f"connection lost: {str(error) or type(error).__name__}") from error
