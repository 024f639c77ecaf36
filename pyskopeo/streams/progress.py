"""How the transfer of a blob is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int], None]
"""Called in the worker thread with the number of bytes of the blob that were moved so far; fewer than before
when the blob begins anew."""


def uncounted(moved: int) -> None:
    """Ignore progress."""


class KeptProgress:
    """A `Progress` that also has ``kept``: how many of the bytes an earlier run had transferred."""

    kept = 0

    def __call__(self, moved: int) -> None:
        """Note that ``moved`` bytes are there."""
        raise NotImplementedError


def note_kept(progress: Progress, kept: int) -> None:
    """Set the number of bytes that an earlier run had transferred, where ``progress`` counts them."""
    if isinstance(progress, KeptProgress):
        progress.kept = kept
