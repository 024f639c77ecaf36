"""Download a large blob as one stream, while other connections fetch parts that lie ahead of it.

The stream is a `BlobDownload`, which has the retries and the endpoints. It reads the blob in order and reads back the
parts that are there. `PartWorkers` fetch parts and try nothing again: what a part leaves missing, the stream fetches
when it gets there. So a server that does not honour ranges costs a few requests.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from ..errors import StorageFailed
from ..http.loop_bridge import run_in_loop
from ..streams.cancellation import on_cancel
from ..streams.part_schedule import Part, PartSchedule
from ..streams.pump import PartReader
from .part_workers import PartWorkers

if TYPE_CHECKING:
    from ..access import Ranges
    from ..errors import InvalidContent
    from ..streams.pump import BlobSink, PartSink, Progress
    from .blob_download import BlobDownload

# Seconds between two reports of progress while the stream waits for a part.
_TICK = 0.2
# Seconds that the stream waits for a part that the server has not begun to send: where it can read on, and where it
# would have to send a request itself.
_PATIENCE_OPEN, _PATIENCE = 1.0, 5.0
# A part that the stream waits for is abandoned if it is slower than the stream was by this factor.
_SLOW = 8
# Bytes. A part is noted for a later run each time that so much of it has been written.
_NOTED = 1024 * 1024


class PartedDownload(PartReader):
    """Reads a blob in order, from the stream and from the parts that workers have put into ``sink``.

    The methods of `BlobReader` are called by one thread; `take` to `close` by workers, in any thread.
    """

    def __init__(
        self, download: BlobDownload, sink: PartSink, offset: int, progress: Progress, ranges: Ranges
    ) -> None:
        """``offset`` is where the stream begins; ``sink`` has the bytes before it and may have others."""
        self._download, self._file, self._progress, self._ranges = download, sink, progress, ranges
        self._changed = threading.Condition()
        self._schedule = PartSchedule(download.size, ranges.size, offset, sink.parts)
        # Whether some bytes are not from this stream: from an earlier run, or from workers.
        self._pieced = bool(offset or sink.parts)
        self._position = offset  # of the sink
        self._read_back = False
        self._reading_since, self._waited = 0.0, 0.0
        self._workers = PartWorkers(self, download, ranges)
        self.sink: BlobSink = _InOrder(self, sink)

    async def fetch_ahead(self) -> None:
        """Fetch parts as soon as one connection is what limits, until cancelled; raises `StorageFailed`."""
        await self._workers.run()

    def readinto(self, buffer: memoryview) -> int:
        """Read the next bytes of the blob and return their number, 0 at its end; raises as `BlobDownload`."""
        schedule = self._schedule
        while True:
            with self._changed:
                offset, end, part = schedule.offset, schedule.readable_end(), schedule.awaited()
                room = 0 if end > offset or part else schedule.claim_stream(len(buffer))
                limit, received = schedule.stream_end(), schedule.received
            self._progress(received)
            if end > offset:
                return self._read_held(buffer[: end - offset], offset)
            if part is not None:
                self._wait_for(part)
            else:
                # At the end of the blob the stream is asked, too: it must not have more bytes.
                return self._read_stream(buffer[:room] if room else buffer, offset, limit)

    def restart(self, error: InvalidContent) -> bool:
        """Start again with byte 0: as one stream, if there were parts, before an endpoint is blamed for ``error``."""
        if self._pieced:
            run_in_loop(partial(self._workers.stop, error))
            self._download.start_over()
        elif not self._download.restart(error):
            return False
        self._pieced = False
        self._schedule = PartSchedule(self._download.size, self._ranges.size)
        self._position = 0
        return True

    def _read_held(self, buffer: memoryview, offset: int) -> int:
        self._download.leave()
        count = self._file.read_at(buffer, offset)
        if not count:
            raise StorageFailed(f"blob {self._download.digest}: its part file was changed by another program")
        self._read_back = True
        with self._changed:
            self._schedule.advance(count, fetched=False)
        return count

    def _read_stream(self, buffer: memoryview, offset: int, limit: int) -> int:
        self._read_back = False
        self._download.seek(offset, limit)
        self._reading_since, cpu = time.monotonic(), time.thread_time()
        try:
            return self._download.readinto(buffer)
        finally:
            passed, self._reading_since = time.monotonic() - self._reading_since, 0.0
            self._waited += passed - (time.thread_time() - cpu)

    def _wait_for(self, part: Part) -> None:
        """Wait until a part that is being fetched has more bytes, or is given up; have it given up if it takes long."""
        since, done = time.monotonic(), part.done
        while True:
            with on_cancel(self._wake), self._changed:
                if part.done > self._schedule.offset or self._schedule.awaited() is not part:
                    return
                self._changed.wait(_TICK)
                received = self._schedule.received
            self._progress(received)
            passed = time.monotonic() - since
            if part.begun:
                late = passed > _PATIENCE and part.done - done < passed * self._workers.rate / _SLOW
            else:
                late = passed > (_PATIENCE_OPEN if self._download.is_open else _PATIENCE)
            if late:
                run_in_loop(partial(self._workers.abandon, part))

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def in_order(self, buffer: memoryview) -> None:
        """Write bytes that the stream has just read, unless they are in the sink."""
        if self._read_back:
            return
        start = self._schedule.offset
        if self._position != start:
            self._file.skip_to(start)
        self._file.write(buffer)
        self._position = start + len(buffer)
        with self._changed:
            self._schedule.advance(len(buffer), fetched=True)
        if self._pieced:
            self._file.part_written(start, self._position)

    def waited(self, now: float) -> float:
        """Return the seconds that the stream has waited for its connection, until ``now``."""
        since = self._reading_since
        return self._waited + (now - since if since else 0.0)

    @property
    def received(self) -> int:
        """The number of bytes in the sink."""
        with self._changed:
            return self._schedule.received

    @property
    def left(self) -> int:
        """The number of bytes that are not in the sink."""
        return self._download.size - self.received

    @property
    def suspended(self) -> bool:
        """Whether no part is taken at the moment, after a failure."""
        return self._schedule.suspended

    def suspend(self) -> None:
        """Have no part taken until the stream has shown that the server can be reached."""
        with self._changed:
            self._schedule.suspend()

    def take(self, lead: int) -> Part | None:
        """Return the next part to fetch, at least ``lead`` bytes ahead of the stream; None if there is none."""
        with self._changed:
            part = self._schedule.take(lead)
        self._pieced = self._pieced or part is not None
        return part

    def begin(self, part: Part) -> None:
        """Record that the server sends a part."""
        with self._changed:
            part.begun = True
            self._changed.notify_all()

    @property
    def begun(self) -> int:
        """The number of parts that the server sends."""
        with self._changed:
            return self._schedule.begun

    def claim(self, part: Part, count: int) -> int:
        """Return how many of the next ``count`` bytes of a part its worker is to write; 0 at its end."""
        with self._changed:
            return self._schedule.claim(part, count)

    def write(self, part: Part, buffer: memoryview) -> None:
        """Write the next bytes of a part; raises `StorageFailed`."""
        self._file.write_at(buffer, part.done)
        with self._changed:
            before = part.done
            self._schedule.written(part, len(buffer))
            if before == self._schedule.offset:
                self._changed.notify_all()
        if part.done - part.noted >= _NOTED:
            self.note(part)

    def close(self, part: Part) -> None:
        """Give back what is missing of a part that no worker fetches any more."""
        with self._changed:
            self._schedule.close(part)
            self._changed.notify_all()

    def note(self, part: Part) -> None:
        """Note for a later run what has been written of a part; raises `StorageFailed`."""
        start, part.noted = part.noted, part.done
        if start < part.noted:
            self._file.part_written(start, part.noted)


class _InOrder:
    """The `BlobSink` that the bytes read from a `PartedDownload` are written to."""

    def __init__(self, reader: PartedDownload, sink: PartSink) -> None:
        self._reader, self._sink = reader, sink

    def write(self, buffer: memoryview) -> None:
        self._reader.in_order(buffer)

    def restart(self) -> None:
        self._sink.restart()
