"""The parts of a blob, and the file that they are written to, as the stream and the workers share them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ..streams.part_schedule import Part, PartSchedule

if TYPE_CHECKING:
    from ..access import Ranges
    from ..streams.byte_streams import PartSink

# Bytes. A part is noted for a later run each time that so much of it has been written.
_NOTED = 256 * 1024


class SharedParts:
    """Locks the `PartSchedule` of a blob of ``size`` bytes, and writes parts to a `PartSink`.

    ``changed`` is notified when the stream may have something to read, and has to be held to use ``schedule``. ``used``
    is whether any part was taken.
    """

    def __init__(self, size: int, ranges: Ranges, sink: PartSink, offset: int) -> None:
        """The stream begins at ``offset``; ``sink`` has the bytes before it, and may have others."""
        self.size, self._part_size, self._sink = size, ranges.size, sink
        self.changed = threading.Condition()
        self.schedule = PartSchedule(size, ranges.size, offset, sink.parts)
        self.used = False

    def start_over(self) -> None:
        """Forget all that was written. No part may be under way."""
        self.schedule = PartSchedule(self.size, self._part_size)
        self.used = False

    @property
    def received(self) -> int:
        """The number of bytes in the sink."""
        with self.changed:
            return self.schedule.received

    @property
    def left(self) -> int:
        """The number of bytes that are not in the sink."""
        return self.size - self.received

    @property
    def begun(self) -> int:
        """The number of parts that the server sends at the moment."""
        with self.changed:
            return self.schedule.begun

    @property
    def suspended(self) -> bool:
        """Whether no part is taken at the moment, after a failure."""
        with self.changed:
            return self.schedule.suspended

    def suspend(self) -> None:
        """Have no part taken until the stream has shown that the server can be reached."""
        with self.changed:
            self.schedule.suspend()

    def take(self, lead: int, rate: float) -> Part | None:
        """Return the next part to fetch, at least ``lead`` bytes ahead of the stream; None if there is none.

        ``rate`` is the throughput of the stream in bytes per second.
        """
        with self.changed:
            part = self.schedule.take(lead, time.monotonic(), rate)
            self.used = self.used or part is not None
        return part

    def begin(self, part: Part) -> None:
        """Record that the server sends a part."""
        with self.changed:
            part.since = time.monotonic()
            self.changed.notify_all()

    def claim(self, part: Part, count: int) -> int:
        """Return how many of the next ``count`` bytes of a part its worker is to write; 0 at its end."""
        with self.changed:
            return self.schedule.claim(part, count)

    def write(self, part: Part, buffer: memoryview) -> None:
        """Write the next bytes of a part, as many as were claimed at most; raises `StorageFailed`."""
        self._sink.write_at(buffer, part.done)
        with self.changed:
            awaited = part.done == self.schedule.offset
            self.schedule.written(part, len(buffer))
            if awaited:
                self.changed.notify_all()
        if part.done - part.noted >= _NOTED:
            self.note(part)

    def note(self, part: Part) -> None:
        """Note for a later run what has been written of a part; raises `StorageFailed`."""
        start, part.noted = part.noted, part.done
        if start < part.noted:
            self._sink.part_written(start, part.noted)

    def close(self, part: Part) -> None:
        """Give back what is missing of a part that no worker fetches any more."""
        with self.changed:
            self.schedule.close(part)
            self.changed.notify_all()
