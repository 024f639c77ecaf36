"""Verification of one OpenPGP signature with one key by ``cryptography`` (RFC 9580, section 5.2.4).

The library that verifies messages judges keys as of the time when a message was signed, refuses SHA-1 in what keys say
of themselves, and lacks some curves. What a certificate says of a key now, whether it has been extended or has another
use, is in signatures of its own, which are verified here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import InvalidContent
from .openpgp_packets import KeyPacket, SignaturePacket

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

# Numbers of RFC 9580, sections 9.1, 9.2 and 9.5: names in hashlib, the curves' object identifiers.
_HASHES = {8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224", 12: "sha3_256", 14: "sha3_512"}
_HASHES_OF_ITSELF = {2: "sha1"}
_CURVES = {
    "2a8648ce3d030107": "SECP256R1",
    "2b81040022": "SECP384R1",
    "2b81040023": "SECP521R1",
    "2b8104000a": "SECP256K1",
    "2b2403030208010107": "BrainpoolP256R1",
    "2b240303020801010b": "BrainpoolP384R1",
    "2b240303020801010d": "BrainpoolP512R1",
}
_ED25519 = "2b06010401da470f01"
_MIN_BITS = 2048


def is_made_by(key: KeyPacket, signature: SignaturePacket, data: bytes, *, of_itself: bool = False) -> bool:
    """Return whether ``signature`` of ``data`` was made by ``key``.

    False for algorithms that are unknown or weak, and for a signature with something critical that is unknown. What a
    key says ``of_itself`` may be signed by SHA-1, as for gpg: nobody else has chosen any of it, which is what
    collisions need.
    """
    import hashlib

    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    name = (_HASHES | _HASHES_OF_ITSELF if of_itself else _HASHES).get(signature.hash_algorithm)
    check = _ALGORITHMS.get(signature.key_algorithm)
    if name is None or check is None or signature.key_algorithm != key.algorithm or not signature.understood:
        return False
    salt, numbers = _salt_and_numbers(signature)
    trailer = bytes((signature.version, 0xFF)) + len(signature.signed).to_bytes(4, "big")
    hashed = hashlib.new(name, salt + data + signature.signed + trailer, usedforsecurity=name != "sha1").digest()
    try:
        check(key.material, numbers, hashed, name)
    except (InvalidSignature, InvalidContent, UnsupportedAlgorithm, ValueError, IndexError, OverflowError):
        # A number that is larger than the key allows, such as that of another's longer key, overflows.
        return False
    return True


def _salt_and_numbers(signature: SignaturePacket) -> tuple[bytes, bytes]:
    rest = signature.rest[2:]
    if signature.version == 4 or not rest:
        return b"", rest
    return rest[1 : 1 + rest[0]], rest[1 + rest[0] :]


def _integers(raw: bytes, count: int) -> list[int]:
    """Read multiprecision integers (section 3.2)."""
    found = []
    for _ in range(count):
        size = (int.from_bytes(raw[:2], "big") + 7) // 8
        if len(raw) < 2 + size:
            raise InvalidContent("cut short")
        found.append(int.from_bytes(raw[2 : 2 + size], "big"))
        raw = raw[2 + size :]
    return found


def _rsa(material: bytes, numbers: bytes, hashed: bytes, name: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    modulus, exponent = _integers(material, 2)
    _check_size(modulus)
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    signature = _integers(numbers, 1)[0].to_bytes((key.key_size + 7) // 8, "big")
    key.verify(signature, hashed, padding.PKCS1v15(), Prehashed(_hash(name)))


def _dsa(material: bytes, numbers: bytes, hashed: bytes, name: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import dsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

    p, q, g, y = _integers(material, 4)
    _check_size(p)
    key = dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(p, q, g)).public_key()
    key.verify(encode_dss_signature(*_integers(numbers, 2)), hashed, Prehashed(_hash(name)))


def _ecdsa(material: bytes, numbers: bytes, hashed: bytes, name: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

    curve, point = _curve_and_point(material)
    if curve not in _CURVES:
        raise InvalidContent("unknown curve")
    key = ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, _CURVES[curve])(), point)
    key.verify(encode_dss_signature(*_integers(numbers, 2)), hashed, ec.ECDSA(Prehashed(_hash(name))))


def _eddsa(material: bytes, numbers: bytes, hashed: bytes, _: str) -> None:
    """Verify the older form of Ed25519, with integers (section 5.2.3.3.1)."""
    curve, point = _curve_and_point(material)
    if curve != _ED25519 or point[:1] != b"\x40":
        raise InvalidContent("unknown curve")
    _ed25519(point[1:], b"".join(number.to_bytes(32, "big") for number in _integers(numbers, 2)), hashed)


def _ed25519(material: bytes, numbers: bytes, hashed: bytes, _: str = "") -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    Ed25519PublicKey.from_public_bytes(material).verify(numbers, hashed)


def _ed448(material: bytes, numbers: bytes, hashed: bytes, _: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey

    Ed448PublicKey.from_public_bytes(material).verify(numbers, hashed)


def _check_size(modulus: int) -> None:
    if modulus.bit_length() < _MIN_BITS:
        raise InvalidContent("a key of so few bits is not safe")


def _curve_and_point(material: bytes) -> tuple[str, bytes]:
    """Return the object identifier of a curve, in hex, and the encoded point (section 5.5.5.4)."""
    end = 1 + material[0]
    size = (int.from_bytes(material[end : end + 2], "big") + 7) // 8
    return material[1:end].hex(), material[end + 2 : end + 2 + size]


def _hash(name: str) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    found: HashAlgorithm = getattr(hashes, name.upper())()
    return found


_ALGORITHMS: dict[int, Callable[[bytes, bytes, bytes, str], None]] = {
    1: _rsa, 3: _rsa, 17: _dsa, 19: _ecdsa, 22: _eddsa, 27: _ed25519, 28: _ed448,
}  # fmt: skip
