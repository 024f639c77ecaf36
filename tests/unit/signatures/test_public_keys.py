"""Keys that signatures are verified with, and those that are of no use for it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.signatures.public_keys import encode_public_key, load_public_key
from pyskopeo.signatures.refusals import SignatureRefused
from tests.support.keys import private_key
from tests.support.sigstore_authority import new_key, public_der, public_pem

KEY = new_key()


def load(content: bytes) -> bytes:
    return encode_public_key(load_public_key(KeyFile(content, "a.pub")))


def test_the_first_key_of_a_file_counts() -> None:
    assert load(public_pem(KEY) + public_pem(new_key())) == public_der(KEY)


def test_lines_as_on_windows() -> None:
    assert load(public_pem(KEY).replace(b"\n", b"\r\n")) == public_der(KEY)


def test_the_older_form_of_rsa() -> None:
    key = private_key("RSA").public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert load(key.public_bytes(Encoding.PEM, PublicFormat.PKCS1)) == public_der(key)


def spki(key: ec.EllipticCurvePublicKey | dsa.DSAPublicKey | x25519.X25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (spki(x25519.X25519PrivateKey.generate().public_key()), "the public key a.pub is neither ECDSA, RSA nor Ed25519"),
        (b"", "the public key a.pub is not in PEM format"),
        (public_pem(KEY).replace(b"BEGIN PUBLIC", b"BEGIN PRIVATE"), "the public key a.pub is not in PEM format"),
        (public_pem(KEY).replace(b"PUBLIC KEY", b"CERTIFICATE"), "a.pub holds a CERTIFICATE, not a public key"),
        (public_pem(KEY).replace(b"==\n", b"=\n"), "the public key a.pub is not in PEM format: its base64 is invalid"),
        (public_pem(KEY).replace(b"-----END", b"!-----END"), "the public key a.pub is not in PEM format"),
        (b"x" + public_pem(KEY), "the public key a.pub is not in PEM format"),
    ],
)
def test_what_is_no_key(content: bytes, reason: str) -> None:
    with pytest.raises(SignatureRefused) as caught:
        load(content)
    assert str(caught.value).startswith(reason)


def test_many_beginnings_without_an_end() -> None:
    """Each is looked at once."""
    with pytest.raises(SignatureRefused):
        load(b"-----BEGIN PUBLIC KEY-----\n" * 100_000)
