"""Text that came from a server, made fit to be shown to people. Pure."""

from __future__ import annotations

import re

# Control characters, what turns the direction of writing, and halves of characters, which cannot be printed.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]+")


def to_printable(text: object, limit: int = 300) -> str:
    """Text from a server, fit for a terminal: one line, no control characters, bounded."""
    line = _CONTROL.sub(" ", str(text)).strip()
    return line if len(line) <= limit else line[: limit - 3] + "..."
