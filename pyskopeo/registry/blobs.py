"""Reading a blob that may be cut in the middle: it goes on with Range from the byte reached.

Distribution specification, "Pulling blobs"; RFC 9110 section 14. What registries answer to a Range
request differs; the digest, checked at the end by the pump, has the last word.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable

from anyio import from_thread

from ..errors import ConnectionFailed, ContentMismatch, InvalidContent
from ..events import Report
from ..model.descriptor import Descriptor
from ..pump import ByteReader
from .http import httpx
from .retry import Retry

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:([0-9]{1,19})|\*)", re.ASCII)
# Progress of this much makes the next cut a first one again.
_FRESH_START = 64 * 1024

OpenAt = Callable[[int], Awaitable[httpx.Response]]
"""Ask for the blob from an offset on; the answer may start there (206) or at 0 (200)."""


class BlobReader:
    """A `ByteReader` over however many responses it takes. Lives in a worker thread but for `start`."""

    def __init__(self, descriptor: Descriptor, open_at: OpenAt, retry: Retry, report: Report) -> None:
        self._descriptor = descriptor
        self._open_at = open_at
        self._retry, self._report = retry, report
        self._response: httpx.Response | None = None
        self._stream: ByteReader | None = None
        self._offset = 0
        self._failures = 0
        self._good_until = 0
        self._aborted = False

    async def start(self) -> None:
        """Send the first request, so that a refusal is known before anything is created."""
        await self._open()

    def readinto(self, buffer: memoryview) -> int:
        while True:
            try:
                if self._stream is None:
                    from_thread.run(self._open)
                assert self._stream is not None
                count = self._stream.readinto(buffer)
            except ConnectionFailed as error:
                if self._aborted:
                    raise
                self._note_failure(error)
                from_thread.run(self._recover, error)
                continue
            self._offset += count
            return count

    def abort(self) -> None:
        self._aborted = True
        if self._stream is not None:
            self._stream.abort()

    async def close(self) -> None:
        response, self._response, self._stream = self._response, None, None
        if response is not None:
            await response.aclose()

    def _note_failure(self, error: ConnectionFailed) -> None:
        if self._offset >= self._good_until + _FRESH_START:
            self._failures = 0
        self._good_until = self._offset
        if not error.temporary or self._failures >= self._retry.times:
            raise error

    async def _recover(self, error: ConnectionFailed) -> None:
        await self.close()
        what = f"blob {self._descriptor.digest.short} at byte {self._offset}"
        await self._retry.pause(error, self._failures, what, self._report)
        self._failures += 1

    async def _open(self) -> None:
        response = await self._open_at(self._offset)
        try:
            skip = _check_head(response, self._descriptor, self._offset)
            # Wire gives every response a reader; any other httpx transport is read through httpx.
            stream: ByteReader = response.extensions.get("reader") or _Bridge(response)
            self._response, self._stream = response, _Skipping(stream, skip) if skip else stream
        except BaseException:
            await response.aclose()
            raise


def _check_head(response: httpx.Response, descriptor: Descriptor, offset: int) -> int:
    """How many bytes of this answer come before the ones wanted; raises if it is about others."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", ""):
        raise InvalidContent(f"blob {descriptor.digest} was served with Content-Encoding {encoding[:40]}: refused")
    start = 0
    if response.status_code == 206:
        start = offset
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or int(found[1]) != offset or (found[3] and int(found[3]) != descriptor.size):
            raise InvalidContent(
                f"blob {descriptor.digest}: asked for bytes {offset}-, "
                f"got Content-Range {ascii(response.headers.get('content-range', ''))[:80]}"
            )
    length = response.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and start + int(length) != descriptor.size:
        raise ContentMismatch(
            f"blob {descriptor.digest}: the registry has {start + int(length)} bytes, "
            f"the manifest says {descriptor.size}",
            expected=str(descriptor.size),
            actual=str(start + int(length)),
        )
    return offset - start


class _Skipping:
    """A stream whose first bytes are already here: servers may answer a Range with everything."""

    def __init__(self, stream: ByteReader, skip: int) -> None:
        self._stream, self._skip = stream, skip
        self.abort = stream.abort

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
            piece = from_thread.run(self._next)
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

    def abort(self) -> None:
        """The event loop owns this stream, and cancellation reaches it there."""
