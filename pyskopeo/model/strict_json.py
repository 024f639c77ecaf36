"""Strict decoding of untrusted JSON objects: limited in size and number of values, without duplicate names.

The OCI image specification requires I-JSON (RFC 7493). Programs that disagree about which of two
duplicate names counts see different images in one document (CVE-2021-41190).
"""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any

from ..errors import InvalidContent, TooLarge
from ..gocompat.field_names import DuplicateName

# In bytes; the distribution specification recommends 4 MiB for manifests ("Pushing Manifests").
MANIFEST_LIMIT = 4 * 1024 * 1024
CONFIG_LIMIT = 4 * 1024 * 1024
# The number of values and containers in a document: each needs up to 100 bytes of memory, where "{}," has three bytes.
VALUE_LIMIT = 1_000_000
# Digits of an integer: decoding takes time in proportion to their square. Python's own limit, which the user's
# environment may change, is never below this.
_DIGITS_LIMIT = sys.int_info.str_digits_check_threshold
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parse_object(
    raw: bytes, what: str, limit: int = MANIFEST_LIMIT, *, values: int = VALUE_LIMIT
) -> dict[str, Any]:
    """Decode a JSON object of at most ``limit`` bytes; ``what`` names it in errors.

    Raises `TooLarge`, also for more than ``values`` values, and `InvalidContent` for anything but a valid
    object: also for duplicate names (`DuplicateName`), NaN, infinite numbers, integers of over 640 digits, or nesting
    beyond the interpreter's recursion limit.
    """
    value = _decode(raw, what, limit, values)
    if not isinstance(value, dict):
        raise InvalidContent(f"{what} is not a JSON object")
    return value


def _count_values(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"{") + raw.count(b"[")


def parse_list(raw: bytes, what: str, limit: int = MANIFEST_LIMIT) -> list[Any]:
    """Decode a JSON array as `parse_object` decodes an object."""
    value = _decode(raw, what, limit)
    if not isinstance(value, list):
        raise InvalidContent(f"{what} is not a JSON list")
    return value


def _decode(raw: bytes, what: str, limit: int, values: int = VALUE_LIMIT) -> Any:
    if len(raw) > limit:
        raise TooLarge(f"{what} is over the limit of {limit} bytes", limit=limit)
    if _count_values(raw) > values and _count_values(_STRINGS.sub(b"", raw)) > values:
        raise TooLarge(f"{what} has more than {values} values", limit=values)
    try:
        return json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite,
            parse_int=_integer,
        )  # fmt: skip
    except DuplicateName as error:
        raise DuplicateName(f"{what} is not valid JSON: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidContent(f"{what} is not valid JSON: {_reason(error, raw)}") from None


def _reason(error: Exception, raw: bytes) -> str:
    """Return what is wrong with ``raw``; never a part of it, since an answer of a token server may hold a token."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    begin = raw.lstrip(b" \t\r\n")[:4]
    if not begin:
        return "it is empty" if not raw else "only white space"
    if begin.startswith(b"\x1f\x8b"):
        return "it is compressed with gzip"
    if begin.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark, which JSON must not have"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start}"
    if isinstance(error, json.JSONDecodeError) and begin.startswith(b"<"):
        return "it begins with <, as HTML and XML do"
    return str(error)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateName(f"duplicate name {ascii(name)[:60]}")
            seen.add(name)
    return found


def _integer(text: str) -> int:
    if (digits := len(text.lstrip("-"))) > _DIGITS_LIMIT:
        raise ValueError(f"a number has {digits} digits, over the limit of {_DIGITS_LIMIT}")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is out of range")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
