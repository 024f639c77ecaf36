"""A reader of which no more comes."""

from __future__ import annotations

import threading

from pyskopeo.errors import ConnectionFailed
from pyskopeo.streams.pump import MemoryReader


class Blocked(MemoryReader):
    """Gives ``content``, then nothing, until it is aborted."""

    def __init__(self, content: bytes = b"") -> None:
        super().__init__(content)
        self.waiting, self.aborted = threading.Event(), threading.Event()

    def readinto(self, buffer: memoryview) -> int:
        if count := super().readinto(buffer):
            return count
        self.waiting.set()
        assert self.aborted.wait(30)
        raise ConnectionFailed("aborted")

    def abort(self) -> None:
        self.aborted.set()
