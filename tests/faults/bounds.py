"""What one copy in this process may use: descriptors and memory. Linux tells; elsewhere nothing is measured."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .invariants import require

# Descriptors for a copy and for the simulated registries, whose ends of the connections are in this process, too.
_DESCRIPTORS = 100
# A buffer of 1 MiB for each thread, and what the simulated registries keep.
_MEMORY = 64 * 1024 * 1024
_OPEN, _STATUS, _CLEAR = Path("/proc/self/fd"), Path("/proc/self/status"), Path("/proc/self/clear_refs")


@contextmanager
def bounded(folder: Path) -> Iterator[None]:
    """Raise `Violated` if the block uses more memory than that, or leaves a file below ``folder`` open.

    More descriptors than `_DESCRIPTORS` cannot be opened in it.
    """
    if not _CLEAR.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The limit is one more than the highest number, and low ones may be free.
    highest = max(map(int, os.listdir(_OPEN)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, highest + _DESCRIPTORS), hard))
    _CLEAR.write_text("5")
    before, opened = _peak_memory(), _open_files(folder)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    grown = _peak_memory() - before
    require("memory is bounded", unless=grown > _MEMORY and f"{grown >> 20} MiB more")
    require("no file stays open", unless=[path for file, path in _open_files(folder).items() if file not in opened])


def _peak_memory() -> int:
    """The largest resident size, in bytes, since it was cleared."""
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _open_files(folder: Path) -> dict[tuple[str, int], str]:
    """The paths of the files below a folder that are open, by the number of the descriptor and of the inode."""
    found = {}
    for number in os.listdir(_OPEN):
        try:
            target, status = os.readlink(_OPEN / number), os.stat(_OPEN / number)
        except FileNotFoundError:  # that of the listing itself
            continue
        if target.startswith(f"{folder}{os.sep}"):
            found[number, status.st_ino] = target
    return found
