"""Strict decoding of untrusted JSON objects: limited in size and number of values, without duplicate names.

The OCI image specification requires I-JSON (RFC 7493). Programs that disagree about which of two
duplicate names counts see different images in one document (CVE-2021-41190).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ..errors import InvalidContent, TooLarge
from ..gocompat.field_names import DuplicateName

# In bytes; the distribution specification recommends 4 MiB for manifests ("Pushing Manifests").
MANIFEST_LIMIT = 4 * 1024 * 1024
CONFIG_LIMIT = 4 * 1024 * 1024
# The number of values and containers in a document: each needs up to 100 bytes of memory, where "{}," has three bytes.
VALUE_LIMIT = 1_000_000
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parse_object(raw: bytes, what: str, limit: int = MANIFEST_LIMIT) -> dict[str, Any]:
    """Decode a JSON object of at most ``limit`` bytes; ``what`` names it in errors.

    Raises `TooLarge`, also for more than `VALUE_LIMIT` values, and `InvalidContent` for anything but a valid
    object: also for duplicate names (`DuplicateName`), NaN, infinite numbers, or nesting beyond the interpreter's
    recursion limit.
    """
    value = _decode(raw, what, limit)
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


def _decode(raw: bytes, what: str, limit: int) -> Any:
    if len(raw) > limit:
        raise TooLarge(f"{what} is over the limit of {limit} bytes", limit=limit)
    if _count_values(raw) > VALUE_LIMIT and _count_values(_STRINGS.sub(b"", raw)) > VALUE_LIMIT:
        raise TooLarge(f"{what} has more than {VALUE_LIMIT} values", limit=VALUE_LIMIT)
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except DuplicateName as error:
        raise DuplicateName(f"{what} is not valid JSON: {error}") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidContent(f"{what} is not valid JSON: {reason}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateName(f"duplicate name {ascii(name)[:60]}")
            seen.add(name)
    return found


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is out of range")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
