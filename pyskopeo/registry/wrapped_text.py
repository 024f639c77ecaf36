"""Hide secrets that a text has in pieces: wrapped over lines, as MIME's base64 is, or as bytes in hexadecimal. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Characters. Shorter spellings are hidden in one piece only: neighbouring words have them by chance.
_MIN_LENGTH = 8
# White space, control characters and those that are not seen, and what stands for a line break. Not NUL, with which
# `Redactor` marks names.
_BREAK = re.compile(
    r"(?:=\r?\n|\\[nrt]|%0[AaDd]|<br ?/?>|\s|[\x01-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff])+"
)
# What is written before or between the bytes, and where there are some: "53:33:63", "\x53\x33\x63", "0x53, 0x33".
_BETWEEN_BYTES = re.compile(r"(?:\\x|(?<![0-9A-Fa-f])0x|[\s:;,.\-])+")
_BYTES = re.compile(r"(?:[0-9A-Fa-f]{2}(?:\\x|[\s:;,.\-])[\s:;,.\-]{0,4}(?:0x)?){2}[0-9A-Fa-f]{2}")


def unwrap(text: str) -> str:
    """Return ``text`` without line breaks and other white space."""
    return _BREAK.sub("", text)


def has_bytes(text: str) -> bool:
    """Return whether ``text`` has bytes in hexadecimal with separators, such as ``53:33:63``."""
    return _BYTES.search(text) is not None


def hide_wrapped(text: str, spellings: Iterable[str], hidden: str) -> str:
    """Replace each of ``spellings`` by ``hidden``, from its first piece to its last, where white space divides it."""
    # "=" before the end of a line may be padding, or the break itself (quoted-printable).
    return _hide_pieces(text, (unwrap(spelling).rstrip("=") for spelling in spellings), _BREAK, hidden)


def hide_bytes(text: str, spellings: Iterable[str], hidden: str) -> str:
    """Replace each of ``spellings``, which are hexadecimal, where separators divide its bytes."""
    return _hide_pieces(text, spellings, _BETWEEN_BYTES, hidden) if has_bytes(text) else text


def _hide_pieces(text: str, spellings: Iterable[str], separator: re.Pattern[str], hidden: str) -> str:
    offsets: list[int] = []
    pieces: list[str] = []
    last = 0
    for start, end in (*(match.span() for match in separator.finditer(text)), (len(text), len(text))):
        pieces.append(text[last:start])
        offsets.extend(range(last, start))
        last = end
    joined = "".join(pieces)
    spans: list[tuple[int, int]] = []
    for spelling in spellings:
        at = joined.find(spelling) if len(spelling) >= _MIN_LENGTH else -1
        while at >= 0:
            spans.append((offsets[at], offsets[at + len(spelling) - 1] + 1))
            at = joined.find(spelling, at + len(spelling))
    return _replace_spans(text, spans, hidden)


def _replace_spans(text: str, spans: list[tuple[int, int]], hidden: str) -> str:
    shown: list[str] = []
    last = 0
    for start, end in sorted(spans):
        if start >= last:
            shown += text[last:start], hidden
        last = max(last, end)
    return "".join((*shown, text[last:]))
