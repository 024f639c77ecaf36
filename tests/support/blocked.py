"""A reader of which no more comes."""

from __future__ import annotations

import threading

from pyskopeo.errors import ConnectionFailed
from pyskopeo.streams.cancellation import on_cancel
from pyskopeo.streams.pump import MemoryReader


class Blocked(MemoryReader):
    """Gives ``content``, then nothing, until it is woken by a cancellation."""

    def __init__(self, content: bytes = b"") -> None:
        super().__init__(content)
        self.waiting, self.woken = threading.Event(), threading.Event()

    def readinto(self, buffer: memoryview) -> int:
        if count := super().readinto(buffer):
            return count
        with on_cancel(self.woken.set):
            self.waiting.set()
            assert self.woken.wait(30)
            raise ConnectionFailed("woken")
