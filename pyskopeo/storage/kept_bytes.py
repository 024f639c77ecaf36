"""How much this process has left behind for a later run, for the message that says so."""

from __future__ import annotations

import os


class KeptBytes:
    """The number of bytes that were transferred, and are kept although the copy was not completed."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, count: int) -> None:
        """Add a number of bytes."""
        self.total += count

    def add_file(self, status: os.stat_result) -> None:
        """Add the bytes of a file, as far as they are on the disk: it may have holes."""
        self.add(min(status.st_size, status.st_blocks * 512))


KEPT_BYTES = KeptBytes()
