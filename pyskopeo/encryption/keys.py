"""Public and private keys for the encryption of layers: RSA, and elliptic curves P-256, P-384 and P-521."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ..errors import InvalidInput, Unsupported
from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey
    PrivateKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey

# For each curve, by its name in cryptography: its name in a JSON Web Key (RFC 7518, section 6.2.1.1).
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Encryption:
    """What to encrypt layers with: ``recipients`` are public keys, of which any one's owner can decrypt them.

    ``layers`` are the indexes of the layers to encrypt, from the lowest one on, negative ones from the top; empty: all.
    """

    recipients: tuple[PublicKey, ...]
    layers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Decryption:
    """What to decrypt layers with: private keys, which are tried in order."""

    keys: tuple[PrivateKey, ...]


def require_cryptography() -> None:
    """Raise `Unsupported` if the package cryptography is not installed."""
    try:
        import cryptography  # noqa: F401 - only whether it is there
    except ImportError:
        raise Unsupported(
            "layers are encrypted and decrypted with the package cryptography, which is not installed"
        ) from None


def parse_public_key(content: bytes, where: str) -> PublicKey:
    """Return a public key in PEM or DER (RFC 5280, SubjectPublicKeyInfo); ``where`` names it in errors.

    Raises `InvalidInput` for anything else, and `Unsupported` without the package cryptography.
    """
    require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

    load = load_pem_public_key if b"-----BEGIN" in content else load_der_public_key
    try:
        key = load(content)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(f"{where}: File provided is not a public key{_found(content)}: want one in PEM") from None
    if isinstance(key, rsa.RSAPublicKey) or (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES):
        return key
    raise InvalidInput(f"{where}: {_WANTED}")


def parse_private_key(content: bytes, passphrase: bytes | None, where: str) -> PrivateKey:
    """Return a private key in PEM or DER (PKCS #8, PKCS #1, SEC 1); ``where`` names it in errors.

    ``passphrase`` is ignored for a key that is not encrypted. Raises `InvalidInput` for anything else, and if the
    passphrase is missing or wrong, and `Unsupported` without the package cryptography.
    """
    require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    load = load_pem_private_key if b"-----BEGIN" in content else load_der_private_key
    try:
        try:
            key = load(content, None)
        except TypeError:  # it is encrypted
            if not passphrase:
                raise InvalidInput(
                    f"{where}: Missing password for encrypted private key: want {where}:PASSPHRASE, or "
                    f"{where}:file=PATH"
                ) from None
            key = load(content, passphrase)
    except (ValueError, UnsupportedAlgorithm):
        if passphrase and b"ENCRYPTED" in content:
            raise InvalidInput(f"{where}: Wrong password: could not decrypt private key") from None
        raise InvalidInput(f"{where}: no private key{_found(content)}: want one in PEM") from None
    if isinstance(key, rsa.RSAPrivateKey) or (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES):
        return key
    raise InvalidInput(f"{where}: {_WANTED}")


_WANTED = "the key is neither RSA nor on the curves P-256, P-384 and P-521, which JWE takes"


def _found(content: bytes) -> str:
    """Return what a file holds instead of the key that is wanted, "" if that is not known."""
    for text, found in (
        (b"BEGIN CERTIFICATE", "but a certificate, as for pkcs7, which is not supported"),
        (b"BEGIN PGP", "but a key for pgp, which is not supported"),
        (b"PRIVATE KEY-----", "but a private one, or one that is damaged"),
        (b"PUBLIC KEY-----", "but a public one, or one that is damaged"),
        (b'"kty"', "but a JSON Web Key, which is not supported"),
        (b"pkcs11:", "but a URI for pkcs11, which is not supported"),
    ):
        if text in content:
            return f", {found}"
    return ""
