"""Writing to a pipe that nobody may be reading: in pieces that never block for long."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from .files import FileSink, storage_errors

# POSIX: where a pipe is writable, so many bytes go in without waiting.
_PIECE = 512 if not hasattr(select, "PIPE_BUF") else select.PIPE_BUF
_PATIENCE = 200  # milliseconds between two looks at whether to go on


def never() -> None:
    """The check of those who cannot be stopped."""


@runtime_checkable
class PatientSink(Protocol):
    """A sink that may have to wait, and calls ``check`` meanwhile, which raises when that is to end."""

    check: Callable[[], None]

    def write(self, buffer: memoryview) -> None: ...


class PipeSink(FileSink):
    """A `FileSink` for a pipe or a terminal; ``check`` can end a wait for its reader."""

    def __init__(self, fd: int, path: Path) -> None:
        super().__init__(fd, path)
        self.check: Callable[[], None] = never
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, buffer: memoryview) -> None:
        with storage_errors(f"writing {self.path}"):
            while len(buffer):
                while not self._poll.poll(_PATIENCE):
                    self.check()
                buffer = buffer[os.write(self.fd, buffer[:_PIECE]) :]


def is_pipe(fd: int) -> bool:
    """Whether writing to ``fd`` may wait for somebody."""
    return not stat.S_ISREG(os.fstat(fd).st_mode)
