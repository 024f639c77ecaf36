"""Private keys of sigstore: what is written is read again, and what is wrong with a file is one clear line."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa

from pyskopeo.errors import InvalidInput, Unsupported
from pyskopeo.signing.sigstore_keys import (
    KEY_LIMIT,
    decrypt_private_key,
    encrypt_private_key,
    generate_key_pair,
    public_key_pem,
    sign_message,
)
from tests.support.keys import private_pem, public_pem
from tests.support.sigstore_keys import KINDS, PASSPHRASE, encrypted, signing_key

# Written by skopeo 1.22's generate-sigstore-key, with the passphrase "secret".
THEIRS = b"""\
-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJmSVRjTVJwOVRJVmFFeGZkZjY1VGJlU292ZVBSZ1RP
UFhVS094UWFUa1VvPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJxUEhoQjBMVlZpSlluT0hPMXUvUW55QlNrMGNvUFVQNSJ9LCJj
aXBoZXJ0ZXh0IjoieDZjRmRNK2hWcThMalVmVzdSc0ZQYXZzWDNkV3FNVGpNeDll
VEJ2bU1hYmhnL3dTdldLVW5qRDFGMkRGcUgxS2NQT0Y2SUpqdmltTVd3UzBZUWgz
NjF5V24wWnNlb2pnaDg4ekFhOXAzRHZJdXFCWjZCaEI2YTNqVjBvbnZObmZmeEVK
YmdUL2N1cUJWYlJRQWxYV3drUGhYWUxTQlBXOGYreUZ5ZDlGRERpOXoxeFBkSUtP
blJ5UWdHbW1qVVA5U04ySFZ2OFRGWFlHWFE9PSJ9
-----END ENCRYPTED COSIGN PRIVATE KEY-----
"""
THEIR_PUBLIC = b"""\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOBf0//GiB1ohAhPyseYgDIqM7ipe
O6ePaq+0vxovuxKdcsIqlfNILV9TnY3LwhDAW+/ERToaxAEhXT+Phhb3IQ==
-----END PUBLIC KEY-----
"""


def opened(pem: bytes) -> dict[str, Any]:
    """The JSON in a key file."""
    found: dict[str, Any] = json.loads(base64.b64decode(b"".join(pem.splitlines()[1:-1])))
    return found


def closed(document: object, kind: str = "ENCRYPTED COSIGN PRIVATE KEY") -> bytes:
    return f"-----BEGIN {kind}-----\n{base64.b64encode(json.dumps(document).encode()).decode()}\n-----END {kind}-----\n".encode()


def test_a_key_of_skopeo_is_read() -> None:
    key = decrypt_private_key(THEIRS, b"secret", "their.private")
    assert public_key_pem(key) == THEIR_PUBLIC


@pytest.mark.parametrize("passphrase", [b"", "pässword".encode(), b"\xff\x00"])
def test_a_new_key_is_read_with_its_passphrase_only(passphrase: bytes) -> None:
    pair = generate_key_pair(passphrase)
    key = decrypt_private_key(pair.private, passphrase, "new.private")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert public_key_pem(key) == pair.public
    with pytest.raises(InvalidInput, match=r"^decrypt: encrypted: decryption failed: the passphrase of new.private is"):
        decrypt_private_key(pair.private, passphrase + b"x", "new.private")
    assert passphrase not in repr(pair).encode() or not passphrase


def test_each_encryption_has_its_own_salt_and_nonce() -> None:
    one, other = (opened(encrypt_private_key(signing_key("P-256"), b"same")) for _ in range(2))
    assert one["kdf"]["params"] == {"N": 65536, "r": 8, "p": 1}
    assert one["kdf"]["salt"] != other["kdf"]["salt"]
    assert one["cipher"]["nonce"] != other["cipher"]["nonce"]
    assert one["ciphertext"] != other["ciphertext"]


@pytest.mark.parametrize("kind", KINDS)
def test_signatures_of_each_kind_of_key(kind: str) -> None:
    key = decrypt_private_key(encrypted(kind), PASSPHRASE.encode(), "a.private")
    signature = sign_message(key, b"message")
    public = serialization.load_pem_public_key(public_key_pem(key))
    # These raise unless it is right.
    if isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(signature, b"message", ec.ECDSA(hashes.SHA256()))
    elif isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(public, ed25519.Ed25519PublicKey)
        public.verify(signature, b"message")


def test_the_newer_label_is_read_too() -> None:
    pem = closed(opened(encrypted("P-256")), "ENCRYPTED SIGSTORE PRIVATE KEY")
    assert public_key_pem(decrypt_private_key(pem, PASSPHRASE.encode(), "x")) == public_key_pem(signing_key("P-256"))


def test_only_the_first_block_counts() -> None:
    pem = b"a comment\n" + encrypted("P-256") + private_pem("RSA")
    assert public_key_pem(decrypt_private_key(pem, PASSPHRASE.encode(), "x")) == public_key_pem(signing_key("P-256"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "invalid pem block: k is no file in PEM; want an encrypted key as generate-sigstore-key and cosign"),
        (b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n!\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n", "invalid pem block: k"),
        (private_pem("P-256"), "unsupported pem type: PRIVATE KEY: k is a private key that is not encrypted; want an enc"),
        (private_pem("P-256", traditional=True), "unsupported pem type: EC PRIVATE KEY: k is a private key that is not"),
        (private_pem("RSA", passphrase="x"), "unsupported pem type: ENCRYPTED PRIVATE KEY: k is a key that is encrypted by"),
        (private_pem("RSA", passphrase="x", traditional=True), "unsupported pem type: RSA PRIVATE KEY: k is a private"),
        (public_pem("P-256"), "unsupported pem type: PUBLIC KEY: k is a public key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "unsupported pem type: CERTIFICATE: k is no private"),
        (b"x" * (KEY_LIMIT + 1), "k is over the limit of 65536 bytes, which is no private key"),
        (closed([]), "decrypt: k is not a JSON object"),
        (closed({}), "decrypt: encrypted: unknown kdf name None in k"),
    ],
)  # fmt: skip
def test_files_that_are_no_encrypted_keys(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        decrypt_private_key(content, b"", "k")
    assert str(refused.value).startswith(message)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another kdf": (lambda key: key["kdf"].update(name="argon2"), "unknown kdf name 'argon2' in k"),
    "another cipher": (lambda key: key["cipher"].update(name="aes"), "unknown cipher name 'aes' in k"),
    # It would take hours and all of the memory.
    "much work": (lambda key: key["kdf"]["params"].update(N=2**30), "unsupported scrypt parameters in k"),
    "no parameters": (lambda key: key["kdf"].update(params=[1]), "unsupported scrypt parameters in k"),
    "a short nonce": (lambda key: key["cipher"].update(nonce="AAAA"), "incorrect nonce size, or too little content, in k"),
    "no content": (lambda key: key.update(ciphertext=""), "incorrect nonce size, or too little content, in k"),
    "no salt": (lambda key: key["kdf"].pop("salt"), "k: salt, nonce or ciphertext is not base64"),
    "not base64": (lambda key: key.update(ciphertext="?"), "k: salt, nonce or ciphertext is not base64"),
    "a changed byte": (lambda key: key.update(ciphertext="AAAA" + key["ciphertext"][4:]), "decryption failed: the passphrase of k"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_damaged_keys(change: str) -> None:
    document = opened(encrypted("P-256"))
    spoil, message = CHANGES[change]
    spoil(document)
    with pytest.raises(InvalidInput) as refused:
        decrypt_private_key(closed(document), PASSPHRASE.encode(), "k")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert PASSPHRASE not in str(refused.value)


def test_names_that_are_there_twice() -> None:
    text = json.dumps(opened(encrypted("P-256"))).replace('{"kdf"', '{"kdf": 1, "kdf"').encode()
    pem = closed({}).replace(base64.b64encode(b"{}"), base64.b64encode(text))
    with pytest.raises(InvalidInput, match="decrypt: k is not valid JSON: duplicate name 'kdf'"):
        decrypt_private_key(pem, PASSPHRASE.encode(), "k")


def test_parameters_as_other_numbers() -> None:
    document = opened(encrypted("P-256"))
    document["kdf"]["params"] = {"N": 65536.0, "r": 8.0, "p": True}
    decrypt_private_key(closed(document), PASSPHRASE.encode(), "k")


def test_keys_that_cannot_sign() -> None:
    pem = encrypt_private_key(dsa.generate_private_key(2048), b"")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(InvalidInput, match="unsupported key type: k is neither for ECDSA nor for RSA nor for Ed25519"):
        decrypt_private_key(pem, b"", "k")


def test_what_was_encrypted_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        def private_bytes(self, *_: object) -> bytes:
            return b"nothing"

    pem = encrypt_private_key(Nothing(), b"")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(InvalidInput, match="parsing private key: k: what was encrypted is no key in PKCS #8"):
        decrypt_private_key(pem, b"", "k")


@pytest.mark.parametrize("package", ["nacl", "cryptography"])
def test_without_its_packages(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(Unsupported, match=r"need pynacl and cryptography: pip install 'pyskopeo\[signing\]'"):
        generate_key_pair(b"")
