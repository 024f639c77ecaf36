"""Members of JSON objects in signatures and logs, each of the type that it has to have; bytes are in base64.

All functions raise `SignatureRefused`. ``where`` is the path of the object within the document, for messages.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from ..errors import InvalidContent
from ..model.strict_json import parse_object
from .refusals import SignatureRefused

# What numbers in JSON are exact up to (RFC 8785, section 3.2.2.3).
_MAX_NUMBER = 2**53


def parse_document(raw: bytes, what: str, limit: int) -> dict[str, Any]:
    """Parse a JSON object of at most ``limit`` bytes, without names twice."""
    try:
        return parse_object(raw, what, limit)
    except InvalidContent as error:
        raise SignatureRefused(str(error)) from None


def exact(value: Any, where: str, names: Iterable[str]) -> tuple[Any, ...]:
    """Return the members ``names`` of an object that has to have exactly these: one that is unknown may be critical."""
    wanted = tuple(names)
    found = an_object(value, where)
    known(found, where, *wanted)
    for name in wanted:
        if name not in found:
            raise SignatureRefused(f"Key {shown(name)} missing in {where}")
    return tuple(found[name] for name in wanted)


def known(value: dict[str, Any], where: str, *names: str) -> None:
    """Check that an object has no other members than these; each may be absent."""
    for name in value:
        if name not in names:
            raise SignatureRefused(f"Unknown key {shown(name)} in {where}")


def an_object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SignatureRefused(f"{where} is not a JSON object")
    return value


def member_object(value: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    return an_object(value.get(name), f"{where}.{name}")


def member_list(value: dict[str, Any], name: str, where: str) -> list[Any]:
    """Return an array. One without the member is empty: protobuf's JSON leaves out what has its default value."""
    found = value.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise SignatureRefused(f"{where}.{name} is not a JSON array")
    return found


def member_text(value: dict[str, Any], name: str, where: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise SignatureRefused(f"{where}.{name} is not a string")
    return found


def member_bytes(value: dict[str, Any], name: str, where: str) -> bytes:
    return decode_base64(value.get(name), f"{where}.{name}")


def member_number(value: dict[str, Any], name: str, where: str) -> int:
    """Return an integer that is not negative, 0 without the member; protobuf's JSON writes it as text."""
    found = value.get(name)
    if found is None:
        return 0
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 16:
        found = int(found)
    return number(found, f"{where}.{name}")


def number(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
        raise SignatureRefused(f"{where} is not an integer from 0 to {_MAX_NUMBER}")
    return value


def decode_base64(value: Any, where: str) -> bytes:
    """Decode text, which may be in several lines, as by the programs base64 and openssl."""
    if not isinstance(value, str):
        raise SignatureRefused(f"{where} is not a string")
    try:
        return base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError:
        raise SignatureRefused(f"{where} is not base64") from None


def one_line(error: BaseException) -> str:
    """Return what another package's error says, as `shown` returns a value; those of pydantic repeat their input."""
    said = " ".join(str(error).split()).partition(" [type=")[0]
    return ascii(said[:500])[1:-1] or type(error).__name__


def shown(value: object) -> str:
    """Return a value for a message, in ASCII and not longer than about 100 characters."""
    return ascii(value if not isinstance(value, str) or len(value) <= 100 else value[:100] + "...")
