"""Private keys of sigstore, encrypted as cosign does: PEM of JSON, with scrypt and NaCl's secretbox.

``{"kdf": {"name": "scrypt", "params": {"N", "r", "p"}, "salt"}, "cipher": {"name": "nacl/secretbox", "nonce"},
"ciphertext"}``, in which the binary values are base64, and the plain text is a key in DER (PKCS #8).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import InvalidContent, InvalidInput, Unsupported
from ..fast_dataclass import dataclass
from ..model.strict_json import parse_object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    SigningKey: TypeAlias = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey

KEY_LIMIT = 64 * 1024
"""The maximum size of a private key file in bytes."""

# Cosign reads both, and skopeo writes the older one, which every version of cosign reads.
_WRITTEN = "ENCRYPTED COSIGN PRIVATE KEY"
_READ = (_WRITTEN, "ENCRYPTED SIGSTORE PRIVATE KEY")
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)
# N, r and p. Others are refused by cosign and skopeo too: a key file could ask for any amount of time and memory.
_STANDARD = (65536, 8, 1)
_STRENGTHS = ((32768, 8, 1), _STANDARD, (131072, 8, 1))
_SALT, _NONCE, _TAG = 32, 24, 16  # bytes


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """The files of a new key: ``private`` is encrypted, ``public`` a SubjectPublicKeyInfo; both are in PEM."""

    private: bytes
    public: bytes


def require_packages() -> None:
    """Raise `Unsupported` unless the packages for encrypted keys are installed."""
    try:
        import cryptography  # noqa: F401 - only whether it is there
        import nacl  # noqa: F401 - only whether it is there
    except ImportError:
        raise Unsupported(
            "private keys of sigstore need pynacl and cryptography: pip install 'pyskopeo[signing]'"
        ) from None


def generate_key_pair(passphrase: bytes) -> KeyPair:
    """Return a new key on the curve P-256, as every program that checks signatures of sigstore takes.

    ``passphrase`` may be empty. Takes about 0.2 s, and 64 MiB of memory. Raises `Unsupported` as `require_packages`.
    """
    require_packages()
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    return KeyPair(encrypt_private_key(key, passphrase), public_key_pem(key))


def encrypt_private_key(key: SigningKey, passphrase: bytes) -> bytes:
    """Return ``key`` encrypted, in PEM; raises `Unsupported` as `require_packages`."""
    require_packages()
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from nacl.secret import SecretBox

    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    sealed = SecretBox(_derived_key(passphrase, salt, _STANDARD)).encrypt(plain, nonce).ciphertext
    document = {
        "kdf": {"name": "scrypt", "params": dict(zip("Nrp", _STANDARD, strict=True)), "salt": _encode(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _encode(nonce)},
        "ciphertext": _encode(sealed),
    }
    return _to_pem(json.dumps(document, separators=(",", ":")).encode())


def decrypt_private_key(content: bytes, passphrase: bytes, where: str) -> SigningKey:
    """Return the key in a file; ``where`` names it in errors.

    Takes as long and as much memory as `generate_key_pair`, or twice that. Raises `InvalidInput` for anything but an
    encrypted key of RSA, an elliptic curve or Ed25519, and for a wrong passphrase, in skopeo's words; `Unsupported` as
    `require_packages`.
    """
    require_packages()
    kind, sealed = _from_pem(content, where)
    if kind not in _READ:
        raise InvalidInput(f"unsupported pem type: {kind}: {where} {_described(kind)}; want {_WANTED}")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        key = load_der_private_key(_opened(sealed, passphrase, where), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidInput(f"parsing private key: {where}: what was encrypted is no key in PKCS #8") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise InvalidInput(f"unsupported key type: {where} is neither for ECDSA nor for RSA nor for Ed25519")
    return key


def public_key_pem(key: SigningKey) -> bytes:
    """Return the public key as a SubjectPublicKeyInfo in PEM (RFC 7468, section 13)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign_message(key: SigningKey, message: bytes) -> bytes:
    """Return the signature of ``message``: ECDSA or RSA PKCS #1 v1.5 with SHA-256, or Ed25519.

    Raises `InvalidInput` for an RSA key that is too short for that.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        try:
            return key.sign(message, padding.PKCS1v15(), SHA256())
        except ValueError:
            raise InvalidInput(f"an RSA key of {key.key_size} bits is too short to sign with") from None
    return key.sign(message)


_WANTED = "an encrypted key as generate-sigstore-key and cosign write one"


def _described(kind: str) -> str:
    if kind == "ENCRYPTED PRIVATE KEY":
        return "is a key that is encrypted by OpenSSL"
    if kind.endswith("PRIVATE KEY"):
        return "is a private key that is not encrypted"
    return "is a public key" if kind == "PUBLIC KEY" else "is no private key"


def _to_pem(content: bytes) -> bytes:
    text = base64.b64encode(content)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join((f"-----BEGIN {_WRITTEN}-----".encode(), *lines, f"-----END {_WRITTEN}-----".encode(), b""))


def _from_pem(content: bytes, where: str) -> tuple[str, bytes]:
    """Return the label and the content of the first block; raises `InvalidInput`."""
    if len(content) > KEY_LIMIT:
        raise InvalidInput(f"{where} is over the limit of {KEY_LIMIT} bytes, which is no private key")
    found = _PEM.search(content)
    if found is not None:
        kind = found[1].decode()
        try:
            return kind, base64.b64decode(b"".join(found[2].split()), validate=True)
        except ValueError:
            # Headers, as OpenSSL writes them into encrypted keys, are not base64.
            if kind not in _READ:
                return kind, b""
    raise InvalidInput(f"invalid pem block: {where} is no file in PEM; want {_WANTED}")


def _opened(sealed: bytes, passphrase: bytes, where: str) -> bytes:
    """Decrypt the JSON of a key; raises `InvalidInput`."""
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    try:
        document = parse_object(sealed, f"decrypt: {where}", KEY_LIMIT)
    except InvalidContent as error:
        raise InvalidInput(str(error)) from None
    kdf, cipher = (_members(document.get(name)) for name in ("kdf", "cipher"))
    parameters = _members(kdf.get("params"))
    given = parameters.get("N"), parameters.get("r"), parameters.get("p")
    for problem, wrong in (
        (f"unknown kdf name {ascii(kdf.get('name'))[:40]}", kdf.get("name") != "scrypt"),
        (f"unknown cipher name {ascii(cipher.get('name'))[:40]}", cipher.get("name") != "nacl/secretbox"),
        ("unsupported scrypt parameters", given not in _STRENGTHS),
    ):
        if wrong:
            raise InvalidInput(f"decrypt: encrypted: {problem} in {where}")
    values = (kdf.get("salt"), cipher.get("nonce"), document.get("ciphertext"))
    salt, nonce, ciphertext = (_decode(value, where) for value in values)
    if len(nonce) != _NONCE or len(ciphertext) < _TAG:
        raise InvalidInput(f"decrypt: encrypted: incorrect nonce size, or too little content, in {where}")
    try:
        # Not what is given: that may be 1.0 in place of 1.
        strength = _STRENGTHS[_STRENGTHS.index(given)]
        return SecretBox(_derived_key(passphrase, salt, strength)).decrypt(ciphertext, nonce)
    except CryptoError:
        raise InvalidInput(
            f"decrypt: encrypted: decryption failed: the passphrase of {where} is wrong, or the file is damaged"
        ) from None


def _derived_key(passphrase: bytes, salt: bytes, strength: tuple[int, int, int]) -> bytes:
    n, r, p = strength
    # OpenSSL wants to be told that it may use this much.
    memory = 128 * r * (n + p + 2)
    return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=32)


def _members(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode(value: object, where: str) -> bytes:
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except ValueError:
        pass  # raised below
    raise InvalidInput(f"decrypt: {where}: salt, nonce or ciphertext is not base64")
