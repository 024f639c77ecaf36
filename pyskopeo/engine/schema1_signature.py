"""Sign manifests of schema 1 (Docker image manifest version 2, schema 1, "Signed Manifests").

Registries refuse manifests without a signature. It is made with a new key that is in the signature itself, so it
proves nothing, and it is not part of the manifest's digest.
"""

from __future__ import annotations

import base64
import hashlib
import json

from ..errors import Unsupported
from ..fast_dataclass import replace
from ..model import base64url, mediatype
from ..model.manifest import Manifest

_COORDINATE = 32  # bytes of a number on the curve P-256
_KEY_ID = 30  # bytes of the sha256 of a key that its ID consists of


def sign(manifest: Manifest, time: str) -> Manifest:
    """Return an unsigned manifest of schema 1 with a signature by a new P-256 key.

    ``time`` is the time of signing in UTC (RFC 3339, whole seconds). Raises `Unsupported` if the package cryptography
    is not installed.
    """
    raw = manifest.raw
    length = len(raw[: raw.rindex(b"}")].rstrip())
    protected = base64url.encode(
        _json({"formatLength": length, "formatTail": base64url.encode(raw[length:]), "time": time})
    )
    jwk, signature = _sign(f"{protected}.{base64url.encode(raw)}".encode())
    block = {"header": {"jwk": jwk, "alg": "ES256"}, "signature": base64url.encode(signature), "protected": protected}
    signed = raw[:length] + b',"signatures":' + _json([block]) + raw[length:]
    # What is known of the layers, such as their sizes, is not in the manifest.
    return replace(Manifest.parse(signed, content_type=mediatype.SCHEMA1_SIGNED), layers=manifest.layers)


def _sign(content: bytes) -> tuple[dict[str, str], bytes]:
    """Return a new public key as a JSON Web Key (RFC 7517), and its signature of ``content`` (RFC 7518, ES256)."""
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    except ImportError:
        raise Unsupported(
            "manifests of schema 1 are signed with the package cryptography, which is not installed"
        ) from None
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    point = public.public_numbers()
    jwk = {
        "crv": "P-256",
        "kid": _key_id(
            public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        ),
        "kty": "EC",
        "x": base64url.encode(point.x.to_bytes(_COORDINATE, "big")),
        "y": base64url.encode(point.y.to_bytes(_COORDINATE, "big")),
    }
    numbers = decode_dss_signature(key.sign(content, ec.ECDSA(hashes.SHA256())))
    return jwk, b"".join(number.to_bytes(_COORDINATE, "big") for number in numbers)


def _key_id(key: bytes) -> str:
    """Return the ID of a public key as libtrust writes it: base32 in groups of four."""
    text = base64.b32encode(hashlib.sha256(key).digest()[:_KEY_ID]).decode()
    return ":".join(text[start : start + 4] for start in range(0, len(text), 4))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
