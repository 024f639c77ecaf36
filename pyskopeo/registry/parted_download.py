"""Download a large blob as one stream, while other connections fetch parts that lie ahead of it.

The stream is a `BlobDownload`, which has the retries and the endpoints. It reads the blob in order and reads back the
parts that are there. `PartWorkers` fetch parts and try nothing again: what a part leaves missing, the stream fetches
when it gets there. So a server that does not honour ranges costs a few requests.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..errors import ContentMismatch
from ..http.loop_bridge import run_in_loop
from ..streams.byte_streams import BlobReader, BlobSink, PartReader
from ..streams.cancellation import on_cancel
from .part_workers import PartWorkers, StreamedBlob
from .shared_parts import SharedParts

if TYPE_CHECKING:
    from ..access import Ranges
    from ..errors import InvalidContent
    from ..streams.byte_streams import PartSink
    from ..streams.part_schedule import Part
    from ..streams.progress import Progress

# Seconds between two reports of progress while the stream waits for a part.
_TICK = 0.2
# Seconds that the stream waits for a part that the server has not begun to send: where it can read on, and where it
# would have to send a request itself.
_PATIENCE_OPEN, _PATIENCE = 1.0, 5.0
# A part that the stream waits for is abandoned if it is slower by the first factor than the parts are on average, or by
# the second one than the stream was when it was alone: the line may have become full since.
_SLOW, _SLOWER = 8, 64


class Stream(StreamedBlob, BlobReader, Protocol):
    """The stream of a blob, as `BlobDownload` implements it. All methods are called in a worker thread."""

    @property
    def is_open(self) -> bool:
        """Whether there is a response to read on from."""
        ...

    @property
    def requested_end(self) -> int:
        """The end of the bytes that this response has, if there are only a few; else 0."""
        ...

    def seek(self, offset: int, until: int) -> None:
        """Go on at ``offset``, for the bytes up to ``until``."""

    def leave(self) -> None:
        """Close the response, if there is one."""

    def start_over(self) -> None:
        """Go on at byte 0 of the same endpoint."""


class PartedDownload(PartReader):
    """Reads a blob in order, from the stream and from the parts that workers have written to a `PartSink`."""

    def __init__(self, stream: Stream, sink: PartSink, offset: int, progress: Progress, ranges: Ranges) -> None:
        """``offset`` is where the stream begins; ``sink`` has the bytes before it and may have others."""
        self._stream, self._file, self._progress, self._ranges = stream, sink, progress, ranges
        self._parts = SharedParts(stream.descriptor.size, ranges, sink, offset)
        self._parts.schedule.reserve(stream.requested_end)
        self._resumed = bool(offset or sink.parts)
        self._position = offset  # of the file
        self._is_read_back = False
        self._reading_since, self._waited = 0.0, 0.0
        self._workers = PartWorkers(self._parts, stream, ranges, self.waited)
        self.sink: BlobSink = _InOrder(self, sink)

    async def fetch_ahead(self) -> None:
        """Fetch parts as soon as one connection is what limits, until cancelled; raises `StorageFailed`."""
        await self._workers.run()

    def readinto(self, buffer: memoryview) -> int:
        """Read the next bytes of the blob and return their number, 0 at its end; raises as `BlobDownload`."""
        while True:
            with self._parts.changed:
                schedule = self._parts.schedule
                schedule.reserve(self._stream.requested_end)
                offset, end, part = schedule.offset, schedule.readable_end(), schedule.awaited()
                room = 0 if end > offset or part else schedule.claim_stream(len(buffer))
                limit, received = schedule.stream_end(), schedule.received
            self._progress(received)
            if end > offset:
                return self._read_back(buffer[: end - offset], offset, end)
            if part is not None:
                self._wait_for(part)
            elif room:
                return self._read_stream(buffer[:room], offset, limit)
            else:
                # A stream that has read up to the end of the blob must not have more bytes.
                return self._stream.readinto(buffer) if self._stream.is_open else 0

    def restart(self, error: InvalidContent) -> bool:
        """Start again with byte 0: as one stream, if there were parts, before an endpoint is blamed for ``error``.

        False if there is no other endpoint, or if some of the bytes were kept by an earlier run.
        """
        if self._resumed:
            return False  # the caller starts again, with nothing kept
        if self._parts.used:
            run_in_loop(partial(self._workers.stop, error))
            self._stream.start_over()
        elif not self._stream.restart(error):
            return False
        self._parts.start_over()
        self._position = 0
        return True

    def _read_back(self, buffer: memoryview, offset: int, end: int) -> int:
        self._stream.leave()
        count = self._file.read_at(buffer, offset)
        if not count:
            raise ContentMismatch("a part file has become shorter", expected=str(end), actual=str(offset))
        self._is_read_back = True
        with self._parts.changed:
            self._parts.schedule.advance(count, fetched=False)
        return count

    def _read_stream(self, buffer: memoryview, offset: int, limit: int) -> int:
        self._is_read_back = False
        if self._resumed or self._parts.used:
            limit = min(limit, offset + self._ranges.stretch)
        self._stream.seek(offset, limit)
        self._reading_since, cpu = time.monotonic(), time.thread_time()
        try:
            return self._stream.readinto(buffer)
        finally:
            passed, self._reading_since = time.monotonic() - self._reading_since, 0.0
            self._waited += passed - (time.thread_time() - cpu)

    def write_in_order(self, buffer: memoryview) -> None:
        """Write the bytes that `readinto` has returned, unless they are in the file."""
        if self._is_read_back:
            return
        start = self._parts.schedule.offset
        if self._position != start:
            self._file.skip_to(start)
        self._file.write(buffer)
        self._position = start + len(buffer)
        with self._parts.changed:
            self._parts.schedule.advance(len(buffer), fetched=True)

    def _wait_for(self, part: Part) -> None:
        """Wait until a part has more bytes, or is given up; have it given up if that takes too long."""
        parts, since, done, before = self._parts, time.monotonic(), part.done, self._parts.received
        while True:
            with on_cancel(self._wake), parts.changed:
                if part.done > parts.schedule.offset or parts.schedule.awaited() is not part:
                    return
                parts.changed.wait(_TICK)
                received, active = parts.schedule.received, parts.schedule.active
            self._progress(received)
            passed = time.monotonic() - since
            if part.begun:
                least = max((received - before) / max(1, active) / _SLOW, passed * self._workers.rate / _SLOWER)
                late = passed > _PATIENCE and part.done - done < least
            else:
                late = passed > (_PATIENCE_OPEN if self._stream.is_open else _PATIENCE)
            if late:
                run_in_loop(partial(self._workers.abandon, part))

    def _wake(self) -> None:
        with self._parts.changed:
            self._parts.changed.notify_all()

    def waited(self, now: float) -> float:
        """Return the seconds that the stream has waited for its connection until ``now``, from any thread."""
        since = self._reading_since
        return self._waited + (now - since if since else 0.0)


class _InOrder:
    """The `BlobSink` that the bytes read from a `PartedDownload` are written to."""

    def __init__(self, reader: PartedDownload, sink: PartSink) -> None:
        self._reader, self._sink = reader, sink

    def write(self, buffer: memoryview) -> None:
        self._reader.write_in_order(buffer)

    def restart(self) -> None:
        self._sink.restart()
