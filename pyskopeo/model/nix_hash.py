"""Hashes as Nix writes them: SRI, and Nix's own base 32."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .digest import Digest

# Without e, o, u and t, so that no words appear.
_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"


def to_sri(digest: Digest) -> str:
    """Return a digest as ``sha256-BASE64`` (W3C Subresource Integrity)."""
    return f"{digest.algorithm}-{base64.b64encode(bytes.fromhex(digest.hex)).decode()}"


def to_nix_base32(digest: Digest) -> str:
    """Return the bytes of a digest as ``nix-hash --base32`` prints them, as a number in little endian."""
    content = bytes.fromhex(digest.hex)
    number, length = int.from_bytes(content, "little"), (len(content) * 8 + 4) // 5
    return "".join(_ALPHABET[number >> 5 * position & 31] for position in reversed(range(length)))
