"""One attempt to upload a blob: the requests that carry what a worker thread writes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

import anyio

from ..errors import ConnectionFailed, PyskopeoError
from ..fast_dataclass import dataclass
from ..http.httpx_import import httpx
from ..http.loop_bridge import run_in_loop
from ..http.request_body import Outgoing
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from .response_checks import refused
from .session import Session

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})", re.ASCII)
_TAKEN = frozenset({200, 201, 202, 204})
# How long to wait for a registry's reason after it has stopped listening.
_LAST_WORDS = 6.0
# How long to wait for the answer to a request that is given up.
_GRACE = 0.7
# Blobs up to this size, in bytes, are sent in one request.
SMALL = 1024 * 1024


@dataclass(slots=True)
class Upload:
    """An upload session as far as we know it. ``size`` None: known only in the end.

    ``offset`` bytes are with the registry, ``sent`` at the most; ``piece`` is the most that one request
    may carry, None for all; ``resumed`` says that it went on where the registry said, ``broken`` that
    it cannot be continued.
    """

    size: int | None
    location: str = ""
    offset: int = 0
    sent: int = 0
    piece: int | None = None
    shortest: int = 0
    resumed: bool = False
    broken: bool = False


Start: TypeAlias = Callable[[Upload], Awaitable[None]]


class Sending:
    """The sink of one attempt; written to in one worker thread, all else in the event loop.

    A small blob is sent when it is verified, by one PUT. A larger one is streamed by PATCH, and what
    completes it is sent when it is verified; so a registry never has the whole of what turns out to
    be wrong, and an attempt that is given up can be ended in good order.
    """

    def __init__(self, upload: Upload, session: Session, start: Start, what: str) -> None:
        self._upload, self._session, self._start, self._what = upload, session, start, what
        self._tasks: TaskGroup | None = None
        self._request: _Request | None = None
        self._skip = upload.offset
        self._small: bytearray | None = None
        if upload.size is not None and upload.size <= SMALL and not upload.offset and upload.piece is None:
            self._small = bytearray()
        self._failure: PyskopeoError | None = None

    async def run(self, fill: Callable[[Sending], Awaitable[Descriptor]]) -> Descriptor:
        """Have ``fill`` write, and complete the upload as what it says it was."""
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

    def is_to_blame(self, error: PyskopeoError) -> bool:
        """Whether it was this side that failed, not where the bytes come from."""
        return error is self._failure

    def write(self, buffer: memoryview) -> None:
        if self._small is not None:
            self._small += buffer
            return
        if self._skip:
            passed = min(self._skip, len(buffer))
            self._skip -= passed
            buffer = buffer[passed:]
        try:
            while len(buffer):
                if self._request is None:
                    run_in_loop(self._begin)
                assert self._request is not None
                self._upload.sent = self._upload.offset + self._request.sent + len(buffer)
                buffer = self._request.write(buffer)
                if self._request.full:
                    run_in_loop(self._end)
        except PyskopeoError as error:
            self._failure = error
            raise

    async def _begin(self) -> None:
        """The next PATCH: for all that comes, or for a piece where no more is taken at once."""
        upload = self._upload
        await self._start(upload)
        headers = {"Content-Type": "application/octet-stream"}
        room = None
        if upload.size is None or upload.piece is None:
            headers["Transfer-Encoding"] = "chunked"
        else:
            room = min(upload.size - upload.offset, max(upload.piece, upload.shortest))
            headers["Content-Length"] = str(room)
            headers["Content-Range"] = f"{upload.offset}-{upload.offset + room - 1}"
        self._request = _Request(Outgoing(), room)
        assert self._tasks is not None
        send = partial(self._session.send_stream, "PATCH", upload.location, headers)
        self._tasks.start_soon(self._request.exchange, send)

    async def _end(self) -> None:
        """The answer to a request whose body is written."""
        request, upload = self._request, self._upload
        assert request is not None
        request.body.finish()
        response = await request.answer()
        self._request = None
        if response.status_code not in _TAKEN:
            raise await refused(self._session, response, self._what)
        await response.aclose()
        self._follow(response)
        reached = upload.offset + request.sent
        kept = range_end(response)
        if kept is not None and kept != reached:
            upload.broken = upload.resumed
            raise ConnectionFailed(f"{self._what}: the registry has {kept} bytes where {reached} were sent")
        upload.offset = reached

    def _follow(self, response: httpx.Response) -> None:
        self._upload.location = self._session.located(response, self._upload.location)

    async def _finish(self, descriptor: Descriptor) -> None:
        """The blob is whole and verified: what completes it, and the digest it is to be known by."""
        try:
            if self._request is not None:
                await self._end()
            await self._start(self._upload)
            url = with_digest(self._upload.location, descriptor.digest)
            content = bytes(self._small or b"")
            self._upload.sent = self._upload.offset + len(content)
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
            response = await self._session.request("PUT", url, headers, content=content)
            if response.status_code not in _TAKEN:
                raise await refused(self._session, response, self._what)
            await response.aclose()
            self._upload.location = ""
        except PyskopeoError as error:
            self._failure = error
            raise

    async def _reason(self, error: PyskopeoError) -> PyskopeoError:
        """What the registry said when it stopped listening, if it said anything."""
        request = self._request
        if error is not self._failure or request is None:
            return error
        with anyio.move_on_after(_LAST_WORDS):
            try:
                response = await request.answer()
                if response.status_code < 400:
                    await response.aclose()
                    return error
                self._failure = await refused(self._session, response, self._what)
            except PyskopeoError as better:
                self._failure = better
        return self._failure

    async def _give_up(self) -> None:
        """Hear where the upload stands that is not to be continued, so that it can be cancelled."""
        if self._request is None:
            return
        self._request.body.stop()
        with anyio.move_on_after(_GRACE, shield=True), suppress(PyskopeoError):
            response = await self._request.answer()
            await response.aclose()
            if response.status_code in _TAKEN:
                self._follow(response)
        self._request.scope.cancel()


class _Request:
    """A request under way; ``room`` bytes belong in its body, None: as many as come.

    It outlives a cancellation for as long as its answer is waited for (``scope``).
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
        """Send what there is room for; answers with the rest."""
        part = buffer if self._room is None else buffer[: self._room - self.sent]
        self.body.write(part)
        self.sent += len(part)
        return buffer[len(part) :]

    async def exchange(self, send: Callable[[Outgoing], Awaitable[httpx.Response]]) -> None:
        """Send the request, body and all; never raises, `answer` does."""
        try:
            with self.scope:
                self._response = await send(self.body)
        except PyskopeoError as error:
            self._error = error
        finally:
            self.body.stop()
            self._done.set()

    async def answer(self) -> httpx.Response:
        await self._done.wait()
        if self._response is None:
            raise self._error or ConnectionFailed("given up", temporary=False)
        return self._response


def range_end(response: httpx.Response) -> int | None:
    """How many bytes the registry has, by its ``Range``; None if it does not say, as ``0-0`` does not."""
    found = _RANGE.fullmatch(response.headers.get("range", "").strip())
    return int(found[1]) + 1 if found and found[1] != "0" else None


def with_digest(location: str, digest: Digest) -> str:
    """The URL that completes an upload; the registry's own query is left as it is."""
    return f"{location}{'&' if '?' in location else '?'}digest={quote(str(digest), safe='')}"
