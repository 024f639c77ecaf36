"""The signed content of a schema 1 manifest (Docker image manifest version 2, schema 1, "Signed Manifests").

The digest of such a manifest is that of its content without the signatures (JSON Web Signature, RFC
7515). The signatures are not verified: each contains the key to verify it with, so they prove nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent
from ..gocompat.field_names import FieldNames
from . import base64url
from .strict_json import MANIFEST_LIMIT, parse_object

_MAX_SIGNATURES = 128
_SIGNATURE_NAMES = FieldNames.of("header", "signature", "protected")
_HEADER_NAMES = FieldNames.of("formatLength", "formatTail", "time")


def payload(raw: bytes, signatures: object) -> bytes:
    """Return the signed content of a manifest, byte for byte: ``raw`` without the ``signatures`` at its end.

    Raises `InvalidContent`, also for members of ``raw`` that are neither signed nor signatures: the
    digest would not cover them.
    """
    if not isinstance(signatures, list) or not 0 < len(signatures) <= _MAX_SIGNATURES:
        raise InvalidContent(f"signed manifest: signatures is not a list of 1 to {_MAX_SIGNATURES} signatures")
    formats = {_format(entry, f"signatures[{position}]") for position, entry in enumerate(signatures)}
    if len(formats) > 1:
        raise InvalidContent("signed manifest: the signatures disagree about what was signed")
    length, tail = formats.pop()
    if length > len(raw):
        raise InvalidContent(f"signed manifest: formatLength is {str(length)[:40]}, beyond its {len(raw)} bytes")
    rest = raw[length:].lstrip()
    # What follows the signed part, ``,"signatures":...}``, is parsed as an object of its own.
    if tail.strip() != b"}" or rest[:1] != b"," or _members(b"{" + rest[1:]).keys() != {"signatures"}:
        raise InvalidContent("signed manifest: there is more behind the signed part than the signatures")
    return raw[:length] + tail


def _format(entry: object, where: str) -> tuple[int, bytes]:
    """Return formatLength, the number of signed bytes of the manifest, and formatTail, the bytes after them."""
    header: Mapping[str, Any] = {}
    if isinstance(entry, dict):
        _SIGNATURE_NAMES.check(entry, f"signed manifest: {where}")
        header = _members(base64url.decode(entry.get("protected"), f"signed manifest: {where}.protected"))
    _HEADER_NAMES.check(header, f"signed manifest: {where}.protected")
    length = header.get("formatLength")
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise InvalidContent(f"signed manifest: {where} has no formatLength in its protected header")
    return length, base64url.decode(header.get("formatTail"), f"signed manifest: {where}: formatTail")


def _members(text: bytes) -> Mapping[str, Any]:
    return parse_object(text, "signed manifest: a part of it", MANIFEST_LIMIT)
