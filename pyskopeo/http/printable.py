"""Make text from a server safe to print on a terminal. Pure."""

from __future__ import annotations

import re

# Control characters, characters that change the direction of writing, others that are not seen, and surrogates, which
# cannot be encoded.
# Compiled by `re` at the first use.
_CONTROL = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]+"
)


def without_controls(text: str) -> str:
    """Return text as one line: a space in the place of control characters and of those that are not seen."""
    return re.sub(_CONTROL, " ", text)


def escaped_line(text: str) -> str:
    """Return text as one line: as it is, or with escapes if it has characters that are not printable or seen."""
    return text if text.isprintable() else ascii(text)[1:-1]


def to_printable(text: object, limit: int = 300) -> str:
    """Return text from a server as one line without control characters, of at most ``limit`` characters."""
    line = without_controls(str(text)).strip()
    return line if len(line) <= limit else line[: limit - 3] + "..."
