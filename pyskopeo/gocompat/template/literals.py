"""Go's literals: numbers, characters and quoted strings (Go specification; ``strconv.Unquote``)."""

from __future__ import annotations

import re

from ...fast_dataclass import dataclass

_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))|[^\\]+", re.DOTALL)
_INT64 = range(-(1 << 63), 1 << 63)
_UINT64 = range(1 << 64)


class LiteralError(ValueError):
    """A literal is not valid in Go; the message is Go's. Becomes a `TemplateError`."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number literal.

    ``ideal`` is its value as an untyped constant, None for an integer over 63 bits. ``integer`` is its value
    as an ``int``, None where it has none.
    """

    ideal: int | float | complex | None
    integer: int | None


def to_bytes(text: str) -> bytes:
    """Return the bytes of a Go string, in which bytes that are not UTF-8 are represented by surrogate escapes."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def from_bytes(raw: bytes) -> str:
    """The inverse of `to_bytes`."""
    return raw.decode("utf-8", "surrogateescape")


def unquote(token: str) -> str:
    """Return the value of a string literal, given with its quotes; raises `LiteralError`."""
    if token[0] == "`":
        return token[1:-1].replace("\r", "")
    return from_bytes(_unescape(token[1:-1], '"'))


def character(token: str) -> int:
    """Return the code point of a character literal, given with its quotes; raises `LiteralError`."""
    body = token[1:-1]
    match = _ESCAPE.match(body)
    # \xNN and \NNN are code points here, where in a string they are bytes.
    if match is not None and match.end() == len(body) and (match[1] or match[4]):
        code = int(match[1], 16) if match[1] else int(match[4], 8)
        if code < 256:
            return code
    if not body:
        raise LiteralError("invalid syntax")
    text = _unescape(body, "'").decode("utf-8", "replace")
    if len(text) != 1:
        raise LiteralError(f"malformed character constant: {token}")
    return ord(text)


def _unescape(body: str, quote: str) -> bytes:
    parts: list[bytes] = []
    at = 0
    while at < len(body):
        match = _ESCAPE.match(body, at)
        if match is None:
            raise LiteralError("invalid syntax")
        parts.append(_piece(match, quote))
        at = match.end()
    return b"".join(parts)


def _piece(match: re.Match[str], quote: str) -> bytes:
    if match[0][0] != "\\":
        return to_bytes(match[0])
    if match[1] or match[4]:
        code = int(match[1], 16) if match[1] else int(match[4], 8)
        if code < 256:
            return bytes((code,))
    elif match[2] or match[3]:
        code = int(match[2] or match[3], 16)
        if code < 0x110000 and not 0xD800 <= code < 0xE000:
            return chr(code).encode()
    elif match[5] == quote:
        return quote.encode()
    elif match[5] in _SIMPLE:
        return bytes((_SIMPLE[match[5]],))
    raise LiteralError("invalid syntax")


def number(token: str) -> Number:
    """Parse a number literal, also an imaginary or complex one; raises `LiteralError`."""
    if token.endswith("i"):
        return _complex(token)
    integer = _integer(token)
    if integer is not None:
        if integer in _INT64:
            return Number(integer, integer)
        if integer in _UINT64:
            return Number(None, None)
    value = _float(token)
    if value is None:
        raise LiteralError(f'illegal number syntax: "{token}"')
    hexadecimal = token.lstrip("+-")[:2] in {"0x", "0X"}
    if not any(sign in token for sign in (".pP" if hexadecimal else ".eEpP")):
        raise LiteralError(f'integer overflow: "{token}"')
    exact = int(value) if value == int(value) and int(value) in _INT64 else None
    return Number(value, exact)


def _integer(token: str) -> int | None:
    digits = token.lstrip("+-")
    try:
        if digits[:1] == "0" and digits[1:].replace("_", "").isdigit():
            # A leading zero means octal in Go; int(token, 0) refuses it.
            return int(token, 8)
        return int(token, 0)
    except ValueError:
        return None


def _float(token: str) -> float | None:
    try:
        if token.lstrip("+-")[:2] in {"0x", "0X"}:
            value = float.fromhex(token.replace("_", "")) if "p" in token.lower() else None
        else:
            value = float(token)
    except (ValueError, OverflowError):
        return None
    return None if value is None or value in (float("inf"), float("-inf")) else value


def _complex(token: str) -> Number:
    try:
        value = complex(token.replace("i", "j"))
    except ValueError:
        raise LiteralError(f'illegal number syntax: "{token}"') from None
    exact = int(value.real) if value.imag == 0 and value.real == int(value.real) else None
    return Number(value, exact)
