"""Keys of sigstore in files, as generate-sigstore-key and cosign write them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pyskopeo.signing.sigstore_keys import encrypt_private_key, public_key_pem

if TYPE_CHECKING:
    from pyskopeo.signing.sigstore_keys import SigningKey

PASSPHRASE = "correct horse"
KINDS = ("P-256", "P-384", "P-521", "RSA", "Ed25519")


def signing_key(kind: str, number: int = 0) -> SigningKey:
    """A key of one of `KINDS`; each ``number`` is another one."""
    return _generated(kind, number)


@cache
def _generated(kind: str, number: int) -> SigningKey:
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[kind])


def encrypted(kind: str, number: int = 0) -> bytes:
    """The key encrypted with `PASSPHRASE`."""
    return _encrypted(kind, number)


@cache
def _encrypted(kind: str, number: int) -> bytes:
    return encrypt_private_key(signing_key(kind, number), PASSPHRASE.encode())


@dataclass(frozen=True)
class KeyFiles:
    """A key in files: encrypted, its public half, and the passphrase."""

    private: Path
    public: Path
    passphrase: Path


def write_sigstore_key(folder: Path, kind: str = "P-256", number: int = 0) -> KeyFiles:
    """The files ``KIND-NUMBER.private``, ``.pub`` and ``.pass``; the last one has a second line, which does not count."""
    files = KeyFiles(*(folder / f"{kind}-{number}.{suffix}" for suffix in ("private", "pub", "pass")))
    files.private.write_bytes(encrypted(kind, number))
    files.public.write_bytes(public_key_pem(signing_key(kind, number)))
    files.passphrase.write_text(f"{PASSPHRASE}\nanother line\n")
    return files
