"""Keys in files: which are taken, and what is said of the others."""

from __future__ import annotations

import sys

import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from pyskopeo.encryption.keys import Decryption, Encryption, parse_private_key, parse_public_key
from pyskopeo.errors import InvalidInput, Unsupported
from tests.support.keys import KINDS, private_key, private_pem, public_pem

DER, SPKI = pem.Encoding.DER, pem.PublicFormat.SubjectPublicKeyInfo
EDWARDS, ODD_CURVE = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256K1())


def der(kind: str) -> bytes:
    return private_key(kind).private_bytes(DER, pem.PrivateFormat.PKCS8, pem.NoEncryption())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(kind: str) -> None:
    key = private_key(kind)
    for content in (public_pem(kind), key.public_key().public_bytes(DER, SPKI)):
        assert parse_public_key(content, "it").public_numbers() == key.public_key().public_numbers()
    numbers = key.private_numbers()
    plain = (private_pem(kind), private_pem(kind, traditional=True), der(kind))
    for content in plain:
        for passphrase in (None, b"", b"unused"):
            assert parse_private_key(content, passphrase, "it").private_numbers() == numbers
    for traditional in (False, True):
        content = private_pem(kind, passphrase="open sesame", traditional=traditional)
        assert parse_private_key(content, b"open sesame", "it").private_numbers() == numbers


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("kind", ["RSA", "P-256"])
def test_passphrases(kind: str, traditional: bool) -> None:
    content = private_pem(kind, passphrase="open sesame", traditional=traditional)
    for passphrase in (None, b""):
        with pytest.raises(InvalidInput, match="^it: Missing password for encrypted private key: want it:PASSPHRASE, or"):
            parse_private_key(content, passphrase, "it")
    with pytest.raises(InvalidInput) as caught:
        parse_private_key(content, b"close sesame", "it")
    assert str(caught.value) == "it: Wrong password: could not decrypt private key"


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN", private_pem("RSA"), public_pem("RSA")[:-60], b'{"kty":"EC"}'])
def test_what_is_no_public_key(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="^it: File provided is not a public key") as caught:
        parse_public_key(content, "it")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN", public_pem("RSA"), private_pem("RSA")[:-60], b'{"kty":"EC"}'])
def test_what_is_no_private_key(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="^it: no private key") as caught:
        parse_private_key(content, None, "it")
    assert "\n" not in str(caught.value)


def test_what_it_is_instead() -> None:
    certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for parse in (parse_public_key, lambda content, where: parse_private_key(content, None, where)):
        for content, found in (
            (certificate, "but a certificate, as for pkcs7, which is not supported"),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "but a key for pgp, which is not supported"),
            (b'{"kty":"RSA"}', "but a JSON Web Key, which is not supported"),
            (b"pkcs11:\n  uri: pkcs11:object=x\n", "but a URI for pkcs11, which is not supported"),
        ):
            with pytest.raises(InvalidInput, match=f", {found}: want one in PEM$"):
                parse(content, "it")


@pytest.mark.parametrize("key", [EDWARDS, ODD_CURVE])
def test_other_algorithms(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
    message = "^it: the key is neither RSA nor on the curves P-256, P-384 and P-521"
    with pytest.raises(InvalidInput, match=message):
        parse_public_key(key.public_key().public_bytes(pem.Encoding.PEM, SPKI), "it")
    with pytest.raises(InvalidInput, match=message):
        parse_private_key(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()), None, "it")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for parse in (parse_public_key, lambda content, where: parse_private_key(content, None, where)):
        with pytest.raises(Unsupported, match="with the package cryptography, which is not installed$"):
            parse(b"", "it")


def test_no_key_is_printed() -> None:
    key = private_key("RSA")
    assert isinstance(key, RSAPrivateKey)
    assert str(key.private_numbers().d) not in repr(Decryption((key,)))
    assert "0x" in repr(Decryption((key,))) + repr(Encryption((key.public_key(),)))
