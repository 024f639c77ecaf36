"""Keys of recipients of encrypted layers, as files in PEM."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CURVES: dict[str, type[ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
KINDS = ("RSA", *CURVES)


def private_key(kind: str, number: int = 0) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """A key of one of `KINDS`; each ``number`` is another one."""
    return _generated(kind, number)


@cache
def _generated(kind: str, number: int) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    return rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(CURVES[kind]())


def private_pem(kind: str, number: int = 0, passphrase: str = "", *, traditional: bool = False) -> bytes:
    """The key in PKCS #8, or in the format that OpenSSL had before."""
    form = pem.PrivateFormat.TraditionalOpenSSL if traditional else pem.PrivateFormat.PKCS8
    secret = pem.BestAvailableEncryption(passphrase.encode()) if passphrase else pem.NoEncryption()
    return private_key(kind, number).private_bytes(pem.Encoding.PEM, form, secret)


def public_pem(kind: str, number: int = 0) -> bytes:
    return private_key(kind, number).public_key().public_bytes(
        pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo
    )


def write_keys(folder: Path, kind: str, number: int = 0) -> tuple[Path, Path]:
    """The files of a public and a private key, ``KIND-NUMBER.pub`` and ``.pem``."""
    public, private = (folder / f"{kind}-{number}.{suffix}" for suffix in ("pub", "pem"))
    public.write_bytes(public_pem(kind, number))
    private.write_bytes(private_pem(kind, number))
    return public, private
