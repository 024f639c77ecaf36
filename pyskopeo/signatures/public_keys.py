"""Public keys of sigstore: ECDSA, RSA and Ed25519, and signatures by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from ..errors import Unsupported
from .json_members import one_line
from .pem import first_block
from .refusals import SignatureRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from ..config.policy_keys import KeyFile

    PublicKey: TypeAlias = EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey

# NIST's, as in Go's standard library.
_CURVES = ("secp224r1", "secp256r1", "secp384r1", "secp521r1")
_LABELS = ("PUBLIC KEY", "RSA PUBLIC KEY")


def require_cryptography() -> None:
    """Raise `Unsupported` without the package cryptography."""
    try:
        import cryptography  # noqa: F401 - whether it is there
    except ImportError:
        needed = "signatures of sigstore are verified with the package cryptography, which is not installed"
        raise Unsupported(needed) from None


def load_public_key(file: KeyFile) -> PublicKey:
    """Return the first public key of a file; raises `SignatureRefused` that names the file."""
    block, _ = first_block(file.content, f"the public key {file.where}")
    if block.label not in _LABELS:
        raise SignatureRefused(f"{file.where} holds a {block.label}, not a public key")
    return parse_public_key(block.content, f"the public key {file.where}")


def parse_public_key(content: bytes, what: str) -> PublicKey:
    """Parse a SubjectPublicKeyInfo, or an RSAPublicKey (DER); raises `SignatureRefused`, where ``what`` names it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        return supported_key(load_der_public_key(content), what)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureRefused(f"parsing {what}: {one_line(error)}") from None


def supported_key(key: object, what: str) -> PublicKey:
    """Return ``key``, which may be of any type; raises `SignatureRefused` if signatures by it are not supported."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if not isinstance(key, EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey):
        raise SignatureRefused(f"{what} is neither ECDSA, RSA nor Ed25519")
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name not in _CURVES:
        raise SignatureRefused(f"{what} is on the curve {key.curve.name}, which is not supported")
    return key


def encode_public_key(key: PublicKey) -> bytes:
    """Return the SubjectPublicKeyInfo (DER)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def load_log_keys(files: Sequence[KeyFile], *, edwards: bool = False) -> list[PublicKey]:
    """Return the keys of logs, which are of ECDSA, or, with ``edwards``, of Ed25519; raises `SignatureRefused`."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    allowed = (EllipticCurvePublicKey, Ed25519PublicKey) if edwards else (EllipticCurvePublicKey,)
    found = [(file.where, load_public_key(file)) for file in files]
    for where, key in found:
        if not isinstance(key, allowed):
            raise SignatureRefused(f"Rekor public key {where} is not using ECDSA")
    return [key for _, key in found]


def is_signed_by(key: PublicKey, signature: bytes, message: bytes, *, hash_of_curve: bool = False) -> bool:
    """Return whether ``signature`` is one of ``message`` by ``key``.

    ECDSA and RSA (PKCS #1 v1.5) are with SHA-256, as cosign signs payloads. With ``hash_of_curve``, ECDSA may also be
    with the hash that has the length of the curve, as in bundles (sigstore's algorithm registry).
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    if isinstance(key, ec.EllipticCurvePublicKey):
        algorithms: list[hashes.HashAlgorithm] = [hashes.SHA256()]
        of_curve = {384: hashes.SHA384(), 521: hashes.SHA512()}.get(key.key_size)
        if hash_of_curve and of_curve is not None:
            algorithms.append(of_curve)
        return any(_is_ecdsa_signed(key, signature, message, algorithm) for algorithm in algorithms)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _is_ecdsa_signed(key: EllipticCurvePublicKey, signature: bytes, message: bytes, algorithm: HashAlgorithm) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    try:
        key.verify(signature, message, ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True
