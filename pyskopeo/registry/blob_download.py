"""Reading a blob that may be cut in the middle: it goes on with Range from the byte reached.

Distribution specification, "Pulling blobs"; RFC 9110 section 14. What registries answer to a Range
request differs; the digest, checked at the end by the pump, has the last word.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeAlias

from ..errors import ConnectionFailed, ContentMismatch, InvalidContent, PyskopeoError
from ..fast_dataclass import dataclass
from ..http.httpx_import import httpx
from ..http.loop_bridge import run_in_loop
from ..http.printable import clean
from ..http.retry import Retry
from ..model.descriptor import Descriptor
from ..model.events import Report
from ..streams.pump import ByteReader

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:([0-9]{1,19})|\*)", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,19}", re.ASCII)
# Progress of this much makes the next cut a first one again.
_FRESH_START = 64 * 1024

OpenAt: TypeAlias = Callable[[int], Awaitable[httpx.Response]]
"""Ask for the blob from an offset on, repeating as the policy says; the answer may start there (206) or at 0 (200)."""


class BlobReader:
    """A `ByteReader` over however many responses it takes. Lives in a worker thread but for `start`.

    When it has been repeated as often as ``retry`` says, ``elsewhere`` is asked, in the event loop,
    whether to go on all the same, because somebody else will answer.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        open_at: OpenAt,
        retry: Callable[[], Retry],
        report: Report,
        elsewhere: Callable[[PyskopeoError], bool] = lambda _: False,
    ) -> None:
        self._descriptor = descriptor
        self._open_at = open_at
        self._elsewhere = elsewhere
        self._retry, self._report = retry, report
        self._response: httpx.Response | None = None
        self._stream: ByteReader | None = None
        self._end: int | None = None
        self._offset = 0
        self._failures = 0
        self._good_until = 0

    async def start(self) -> None:
        """Send the first request, so that a refusal is known before anything is created."""
        await self._open()

    def readinto(self, buffer: memoryview) -> int:
        size = self._descriptor.size
        while True:
            if self._stream is None:
                run_in_loop(self._open)
            assert self._stream is not None
            try:
                count = self._stream.readinto(buffer)
                if not count and self._end is None and self._offset < size:
                    raise ConnectionFailed(f"connection closed with {size - self._offset} bytes to go")
            except ConnectionFailed as error:
                if self._offset == size:
                    return 0  # it is all here; what failed is how the answer should have ended
                self._recover(error)
                continue
            if not count and self._offset == self._end and self._offset < size:
                run_in_loop(self.close)  # the part that was sent is here, and it was not all
                continue
            self._offset += count
            return count

    async def close(self) -> None:
        response, self._response, self._stream = self._response, None, None
        if response is not None:
            await response.aclose()

    def _recover(self, error: ConnectionFailed) -> None:
        """Wait before the next request; raises ``error`` when there have been enough."""
        if self._offset >= self._good_until + _FRESH_START:
            self._failures = 0
        self._good_until = self._offset
        run_in_loop(partial(self._pause, error))

    async def _pause(self, error: ConnectionFailed) -> None:
        await self.close()
        retry = self._retry()
        if error.temporary and self._failures < retry.times:
            what = f"blob {self._descriptor.digest.short} at byte {self._offset}"
            await retry.pause(error, self._failures, what, self._report)
            self._failures += 1
        elif self._elsewhere(error):
            self._failures = 0
        else:
            raise error

    async def _open(self) -> None:
        while self._stream is None:
            response = await self._open_at(self._offset)
            try:
                self._take(response)
            except BaseException as error:
                await response.aclose()
                if not isinstance(error, InvalidContent) or not self._elsewhere(error):
                    raise

    def _take(self, response: httpx.Response) -> None:
        part = _check_head(response, self._descriptor, self._offset)
        # Wire gives every response a reader; any other httpx transport is read through httpx.
        stream: ByteReader = response.extensions.get("reader") or _Bridge(response)
        skip = self._offset - part.start
        self._response, self._stream = response, _Skipping(stream, skip) if skip else stream
        self._end = part.end


@dataclass(frozen=True, slots=True)
class _Part:
    """Which bytes of the blob an answer has; ``end`` None where only the connection's end tells."""

    start: int
    end: int | None


def starts_at(response: httpx.Response, offset: int, size: int) -> bool:
    """Whether a 206 is about the bytes from ``offset`` of a blob of ``size``; many are about something else."""
    part = _content_range(response, size)
    return part is not None and part.start == offset


def _content_range(response: httpx.Response, size: int) -> _Part | None:
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None or (found[3] and int(found[3]) != size):
        return None
    start, end = int(found[1]), int(found[2]) + 1
    length = _content_length(response)
    return _Part(start, end) if start < end <= size and length in (None, end - start) else None


def _content_length(response: httpx.Response) -> int | None:
    length = response.headers.get("content-length", "")
    return int(length) if _LENGTH.fullmatch(length) else None


def _check_head(response: httpx.Response, descriptor: Descriptor, offset: int) -> _Part:
    """Which bytes this answer has; raises if it is not about the ones wanted."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", ""):
        raise InvalidContent(
            f"blob {descriptor.digest} was served with Content-Encoding {clean(encoding, 40)}: refused"
        )
    if response.status_code == 206:
        part = _content_range(response, descriptor.size)
        if part is None or part.start != offset:
            raise InvalidContent(
                f"blob {descriptor.digest}: asked for bytes {offset}-, "
                f"got Content-Range {ascii(response.headers.get('content-range', ''))[:80]}"
            )
        return part
    length = _content_length(response)
    if length is not None and length != descriptor.size:
        raise ContentMismatch(
            f"blob {descriptor.digest}: the registry has {length} bytes, the manifest says {descriptor.size}",
            expected=str(descriptor.size),
            actual=str(length),
        )
    framed = length is not None or "transfer-encoding" in response.headers or "reader" not in response.extensions
    return _Part(0, descriptor.size if framed else None)


class _Skipping:
    """A stream whose first bytes are already here: servers may answer a Range with everything."""

    def __init__(self, stream: ByteReader, skip: int) -> None:
        self._stream, self._skip = stream, skip

    def readinto(self, buffer: memoryview) -> int:
        while self._skip:
            count = self._stream.readinto(buffer[: min(len(buffer), self._skip)])
            if not count:
                return 0
            self._skip -= count
        return self._stream.readinto(buffer)


class _Bridge:
    """Makes any httpx response readable from a worker thread, piece by piece through the event loop."""

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
