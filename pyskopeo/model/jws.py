"""The signature inside a manifest of schema 1: what it was computed over.

Docker's image manifest version 2, schema 1 ("Signed Manifests"). The signatures themselves prove
nothing, since each brings its own key; but the digest of such a manifest is that of its content
without them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent
from .strict_json import MANIFEST_LIMIT, parse_object

_MOST_SIGNATURES = 128
_BASE64 = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def payload(raw: bytes, signatures: object) -> bytes:
    """The content of a manifest without the ``signatures`` at its end, byte for byte as it was signed.

    All that ``raw`` says beside its signatures is in there: a member that was added behind the
    signed part is refused, since its digest would vouch for nothing. Raises `InvalidContent`.
    """
    if not isinstance(signatures, list) or not 0 < len(signatures) <= _MOST_SIGNATURES:
        raise InvalidContent(f"signed manifest: signatures is not a list of 1 to {_MOST_SIGNATURES} signatures")
    formats = {_format(entry, f"signatures[{position}]") for position, entry in enumerate(signatures)}
    if len(formats) > 1:
        raise InvalidContent("signed manifest: the signatures disagree about what was signed")
    length, tail = formats.pop()
    if length > len(raw):
        raise InvalidContent(f"signed manifest: formatLength is {str(length)[:40]}, beyond its {len(raw)} bytes")
    rest = raw[length:].lstrip()
    # With a comma before them the signatures are one more member: as an object of their own they can be parsed.
    if tail.strip() != b"}" or rest[:1] != b"," or _members(b"{" + rest[1:]).keys() != {"signatures"}:
        raise InvalidContent("signed manifest: there is more behind the signed part than the signatures")
    return raw[:length] + tail


def _format(entry: object, where: str) -> tuple[int, bytes]:
    """How much of the manifest was signed as it is, and what followed there in the signatures' place."""
    header: Mapping[str, Any] = {}
    if isinstance(entry, dict):
        header = _members(_decode(entry.get("protected"), f"{where}.protected"))
    length = header.get("formatLength")
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise InvalidContent(f"signed manifest: {where} has no formatLength in its protected header")
    return length, _decode(header.get("formatTail"), f"{where}: formatTail")


def _members(text: bytes) -> Mapping[str, Any]:
    return parse_object(text, "signed manifest: a part of it", MANIFEST_LIMIT)


def _decode(text: object, where: str) -> bytes:
    """Base64 with the alphabet for URLs, without padding (RFC 7515, section 2)."""
    try:
        if isinstance(text, str) and _BASE64.fullmatch(text):
            return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        pass  # reported below, with what is not base64 by its letters
    raise InvalidContent(f"signed manifest: {where} is not base64")
