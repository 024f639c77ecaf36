"""Hide secrets that a text has in pieces: wrapped over lines, as MIME's base64 is, or as numbers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Characters. Shorter spellings are hidden in one piece only: neighbouring words have them by chance.
_MIN_LENGTH = 8
# White space, control characters and those that are not seen, what stands for a line break, and the end of a quoted
# string with the beginning of the next one. Not NUL, with which `Redactor` marks names.
_BREAK = re.compile(
    r"""(?:["'][ ]?[,.+]?\s{0,8}["']|=\r?\n|\\[nrt]|%0[AaDd]|<br ?/?>|\s"""
    r"""|[\x01-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff])+"""
)
# What is written before or between the bytes, and where there are some: "53:33:63", "\x53\x33\x63", "0x53, 0x33".
_BETWEEN_BYTES = re.compile(r"(?:\\x|(?<![0-9A-Fa-f])0x|[\s:;,.\-])+")
_BYTES = re.compile(r"(?:[0-9A-Fa-f]{2}(?:\\x|[\s:;,.\-])[\s:;,.\-]{0,4}(?:0x)?){2}[0-9A-Fa-f]{2}")
# The number of a character, in hexadecimal if it says so, and what may be between two of them: "83, 51", "\123\063",
# "&#83;&#51;", "U+0053 U+0033", "Chr(83) & Chr(51)".
_NUMBER = re.compile(
    r"(?:0[xX]|[Uu]\+|[\\%][uUxX]\{?)([0-9A-Fa-f]{1,6})(?![0-9A-Fa-f])|(?<![0-9A-Za-z])(?:0[oO])?([0-9]{1,8})(?![0-9A-Za-z])"
)
_BETWEEN_NUMBERS = re.compile(r"[^0-9A-Za-z]{0,6}(?:cha?r\(?[^0-9A-Za-z]{0,2})?", re.IGNORECASE)
_NUMBERS = re.compile(
    rf"(?:(?:{_NUMBER.pattern})(?:{_BETWEEN_NUMBERS.pattern})){{3}}(?:{_NUMBER.pattern})", re.IGNORECASE
)
_BASES = (2, 8, 10, 16)
_BREAK_BETWEEN_NUMBERS = "\uffff"  # no character
# Characters of the beginning of a secret that are hidden where the numbers end, and wherever they are.
_MIN_BEGINNING, _LONG_BEGINNING = 6, 16


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


def has_numbers(text: str) -> bool:
    """Return whether ``text`` may have the numbers of at least four characters, such as ``83, 51, 99, 114``."""
    return _NUMBERS.search(text) is not None


def hide_numbers(text: str, secrets: Iterable[str], hidden: str) -> str:
    """Replace each of ``secrets`` where ``text`` has the numbers of its characters, or of its bytes in UTF-8."""
    if not has_numbers(text):
        return text
    wanted = set(secrets)
    wanted |= {secret.encode("utf-8", "surrogatepass").decode("latin-1") for secret in wanted}
    matches = list(_NUMBER.finditer(text))
    spans: list[tuple[int, int]] = []
    for base in _BASES:
        characters, places = _decode(text, matches, base)
        for secret in wanted:
            spans += ((places[start][0], places[end - 1][1]) for start, end in _find(characters, secret))
    return _replace_spans(text, spans, hidden)


def _decode(text: str, matches: list[re.Match[str]], base: int) -> tuple[str, list[tuple[int, int]]]:
    """Return the characters whose numbers these are in ``base``, and the place of each in ``text``."""
    characters: list[str] = []
    places: list[tuple[int, int]] = []
    last = 0
    for match in matches:
        if not _BETWEEN_NUMBERS.fullmatch(text, last, match.start()):
            characters.append(_BREAK_BETWEEN_NUMBERS)
            places.append((last, last))
        characters.append(_character(match, base))
        places.append(match.span())
        last = match.end()
    return "".join(characters), places


def _character(match: re.Match[str], base: int) -> str:
    try:
        return chr(int(match[1], 16) if match[1] else int(match[2], base))
    except (ValueError, OverflowError):  # digits of another base, or a number that is too large
        return _BREAK_BETWEEN_NUMBERS


def _find(text: str, secret: str) -> Iterator[tuple[int, int]]:
    """Yield where ``secret`` is, or a beginning of it where the numbers end, as where a message was cut."""
    start = secret[:_MIN_BEGINNING]
    at = text.find(start)
    while at >= 0:
        end = at + len(start)
        while end - at < len(secret) and text[end : end + 1] == secret[end - at]:
            end += 1
        # The last number may be a part of one.
        is_cut = end >= len(text) - 1 or text[end] == _BREAK_BETWEEN_NUMBERS
        if end - at == len(secret) or is_cut or end - at > _LONG_BEGINNING:
            yield at, end
            at = text.find(start, end)
        else:
            at = text.find(start, at + 1)


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
