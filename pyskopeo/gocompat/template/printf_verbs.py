"""The verbs of ``fmt.Printf`` for strings and numbers, with width, precision and flags (Go's ``fmt``)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...fast_dataclass import dataclass, replace
from ..go_json import shortest_decimal, without_exponent
from .literals import to_bytes

# The longest text that a function may return, in characters.
TEXT_LIMIT = 16 * 1024 * 1024
_REPLACEMENT = "\ufffd"
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}
_BASES = {"b": 2, "o": 8, "O": 8, "d": 10, "v": 10, "x": 16, "X": 16}
_PREFIXES = {"b": "0b", "x": "0x", "X": "0X"}


class CallError(Exception):
    """A function of a template failed; the message becomes part of a `TemplateError`."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags, width and precision of one verb; ``plus_v`` and ``sharp_v`` are those of ``%+v`` and ``%#v``."""

    width: int | None = None
    precision: int | None = None
    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    plus_v: bool = False
    sharp_v: bool = False


def join_bounded(parts: Iterable[str], separator: str = "") -> str:
    """Join the parts; raises `CallError` as soon as they exceed `TEXT_LIMIT`."""
    found: list[str] = []
    total = 0
    for part in parts:
        total += len(part) + len(separator)
        if total > TEXT_LIMIT + len(separator):
            raise CallError(f"the text is over the limit of {TEXT_LIMIT} characters")
        found.append(part)
    return separator.join(found)


def pad(text: str, flags: Flags) -> str:
    """Pad ``text`` to the width in ``flags``."""
    if flags.width is None or flags.width <= len(text):
        return text
    if flags.minus:
        return text.ljust(flags.width)
    return text.rjust(flags.width, "0" if flags.zero else " ")


def quoted(text: str, mark: str = '"', *, ascii_only: bool = False) -> str:
    """Return ``text`` as a Go literal between two ``mark``, with escapes for characters that are not printable."""
    plain = text.isprintable() and "\\" not in text and mark not in text
    if plain and (text.isascii() or not ascii_only):
        return f"{mark}{text}{mark}"
    return mark + "".join(_escaped(character, mark, ascii_only) for character in text) + mark


def _escaped(character: str, mark: str, ascii_only: bool) -> str:
    code = ord(character)
    if character == mark:
        return "\\" + mark
    if code in _ESCAPES:
        return _ESCAPES[code]
    if character.isprintable() and (code < 0x7F or not ascii_only):
        return character
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """Return ``text`` for an error message: at most 120 characters, all of them printable."""
    shown = "".join(character if character.isprintable() else quoted(character)[1:-1] for character in text[:121])
    return shown if len(text) <= 120 else f"{shown[:120]}..."


def string(text: str, verb: str, flags: Flags) -> str | None:
    """Format a string by a verb; None if strings do not have that verb."""
    if verb in "xX":
        return _hexadecimal(to_bytes(text), verb, flags)
    if verb not in "vsq":
        return None
    cut = text if flags.precision is None else text[: flags.precision]
    if flags.sharp_v and verb == "v":
        return pad(quoted(cut), flags)
    if verb == "q":
        if flags.sharp and "`" not in cut and all(c.isprintable() or c == "\t" for c in cut):
            return pad(f"`{cut}`", flags)
        return pad(quoted(cut, ascii_only=flags.plus), flags)
    return pad(cut, flags)


def _hexadecimal(raw: bytes, verb: str, flags: Flags) -> str:
    raw = raw if flags.precision is None else raw[: flags.precision]
    prefix = "0x" if flags.sharp and raw else ""
    text = raw.hex(" ").replace(" ", f" {prefix}") if flags.space else raw.hex()
    text = prefix + text
    return pad(text.upper() if verb == "X" else text, flags)


def boolean(value: bool, verb: str, flags: Flags) -> str | None:
    """Format a boolean by a verb; None if booleans do not have that verb."""
    return pad("true" if value else "false", flags) if verb in "tv" else None


def integer(number: int, verb: str, flags: Flags) -> str | None:
    """Format an integer by a verb; None if integers do not have that verb."""
    if verb == "c":
        return pad(_character(number), flags)
    if verb == "q":
        return pad(quoted(_character(number), "'", ascii_only=flags.plus), flags)
    if verb == "U":
        code = "U+" + f"{number & 0xFFFFFFFFFFFFFFFF:X}".rjust(max(4, flags.precision or 0), "0")
        shown = flags.sharp and number < 0x110000 and _character(number).isprintable()
        return pad(f"{code} '{_character(number)}'" if shown else code, replace(flags, zero=False))
    if verb not in _BASES:
        return None
    if flags.precision == 0 and number == 0:
        return " " * (flags.width or 0)
    digits = {2: "b", 8: "o", 10: "d", 16: "x"}[_BASES[verb]]
    text = format(abs(number), digits)
    sign = "-" if number < 0 else "+" if flags.plus else " " if flags.space else ""
    least = flags.precision or 0
    if flags.precision is None and flags.zero and not flags.minus and flags.width:
        least = flags.width - len(sign)
    text = text.rjust(least, "0")
    if flags.sharp and verb in "oO" and not text.startswith("0"):
        text = "0" + text
    prefix = "0o" if verb == "O" else _PREFIXES.get(verb, "") if flags.sharp else ""
    return pad(sign + prefix + (text.upper() if verb == "X" else text), replace(flags, zero=False))


def _character(number: int) -> str:
    return chr(number) if 0 <= number < 0x110000 and not 0xD800 <= number < 0xE000 else _REPLACEMENT


def floating(number: float, verb: str, flags: Flags) -> str | None:
    """Format a float by a verb; None if floats do not have that verb. The hexadecimal verbs are not implemented."""
    if verb not in "vgGeEfF":
        return None
    if not math.isfinite(number):
        return pad("NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf", replace(flags, zero=False))
    text = _digits(abs(number), "g" if verb == "v" else verb, flags)
    sign = "-" if math.copysign(1.0, number) < 0 else "+" if flags.plus else " " if flags.space else ""
    if flags.zero and not flags.minus and flags.width:
        return sign + text.rjust(flags.width - len(sign), "0")
    return pad(sign + text, flags)


def _digits(number: float, verb: str, flags: Flags) -> str:
    if verb in "eEfF":
        precision = 6 if flags.precision is None else flags.precision
        text = format(number, f"{'#' if flags.sharp else ''}.{precision}{'f' if verb in 'fF' else 'e'}")
        return text.upper() if verb == "E" else text
    if flags.precision is not None or flags.sharp:
        precision = 6 if flags.precision is None else flags.precision
        return format(number, f"{'#' if flags.sharp else ''}.{precision}{verb}")
    digits, point = shortest_decimal(number)
    if -4 <= point - 1 < 6:
        return without_exponent(digits, point)
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}{'E' if verb == 'G' else 'e'}{point - 1:+03d}"


def complex_number(number: complex, verb: str, flags: Flags) -> str | None:
    """Format a complex number by a verb; None if complex numbers do not have that verb."""
    real = floating(number.real, verb, flags)
    imaginary = floating(number.imag, verb, replace(flags, plus=True))
    return None if real is None or imaginary is None else f"({real}{imaginary}i)"
