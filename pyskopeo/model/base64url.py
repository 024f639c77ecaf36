"""Base64url without padding (RFC 7515, section 2)."""

from __future__ import annotations

import base64
import binascii
import re

from ..errors import InvalidContent

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def encode(content: bytes) -> str:
    """Return ``content`` in base64url."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(text: object, where: str) -> bytes:
    """Decode a value of a document, which ``where`` names in errors; raises `InvalidContent`."""
    try:
        if isinstance(text, str) and _ALPHABET.fullmatch(text):
            return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        pass  # raised below
    raise InvalidContent(f"{where} is not base64url")
