"""What standard error can show: rows that are redrawn, or lines only."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

_DUMB = ("", "dumb", "unknown")


def has_cursor_control() -> bool:
    """Return whether standard error is a terminal on which rows can be redrawn, by rich.

    That of a Nix build is a log, which shows each change of a row as a line; so is a terminal of no size, as programs
    make it that record what others print. A shell that is opened for a build (``nix-shell``) has the user's terminal.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM", "") in _DUMB:
        return False
    if "NIX_BUILD_TOP" in os.environ and "IN_NIX_SHELL" not in os.environ:
        return False
    with suppress(OSError):  # without a descriptor, its size is unknown
        if not all(os.get_terminal_size(sys.stderr.fileno())):
            return False
    return has_rich()


def has_rich() -> bool:
    """Return whether the package that draws bars and tables is installed."""
    try:
        import rich  # noqa: F401 - only whether it is there
    except ImportError:
        return False
    return True


def has_color(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that shows colours, and the user has not turned them off (no-color.org)."""
    return stream.isatty() and os.environ.get("TERM", "") not in _DUMB and not os.environ.get("NO_COLOR")
