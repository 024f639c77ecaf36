"""Keep the compressed bytes of a layer that is decompressed as it arrives, so that a later run can go on with it.

A decompressor cannot be continued without the bytes before. They are written to a part file as well if the source is
slow, which costs nothing then; from a fast source the layer is fetched again.
"""

from __future__ import annotations

import time

from ...streams.byte_streams import PartSink
from ...streams.concurrency import processors
from ..part_files import MIN_KEPT, PartFile

# Bytes. Smaller layers are fetched again in the time of a request.
LEAST = 2 * MIN_KEPT
# Bytes after which it is decided whether the source is slow.
_TRIAL = 4 * 1024 * 1024
# The source is slow if the thread that decompresses waits for it for this share of its time, and if the process keeps
# the processors busy for less than this share of theirs.
_WAITING, _BUSY = 0.5, 0.35


class KeptBlob(PartSink):
    """A `PartSink` over the part file of a layer, which keeps the bytes that come in order only from a slow source."""

    def __init__(self, part: PartFile) -> None:
        self._part = part
        self.kept, self.parts = part.kept, part.parts
        self._keeps, self._on_trial = True, not (part.kept or part.parts)
        self._count = 0
        self._began: tuple[float, float, float] | None = None

    def write(self, buffer: memoryview) -> None:
        if self._on_trial:
            self._try(len(buffer))
        if self._keeps:
            self._part.write(buffer)

    def restart(self) -> None:
        self._part.restart()
        self.kept, self.parts = 0, ()

    def read_at(self, buffer: memoryview, offset: int) -> int:
        return self._part.read_at(buffer, offset)

    def write_at(self, buffer: memoryview, offset: int) -> None:
        self._part.write_at(buffer, offset)

    def part_written(self, start: int, end: int) -> None:
        self._part.part_written(start, end)

    def skip_to(self, offset: int) -> None:
        if self._keeps:
            self._part.skip_to(offset)

    def _try(self, count: int) -> None:
        """Keep nothing more, if the first bytes have come as fast as they can be decompressed."""
        now = time.monotonic(), time.thread_time(), time.process_time()
        if self._began is None:
            self._began = now
        self._count += count
        if self._count < _TRIAL:
            return
        self._on_trial = False
        passed, thread, process = (after - before for after, before in zip(now, self._began, strict=True))
        waits, idle = thread < passed * (1 - _WAITING), process < passed * processors() * _BUSY
        if not (waits and idle):
            self._keeps = False
            self._part.restart()
