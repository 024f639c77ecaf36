"""Every algorithm of signatures, as the library makes it: what was changed, and what is weak, is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa
from pysequoia import CipherSuite, Profile

from pyskopeo.signatures.openpgp_crypto import is_made_by
from pyskopeo.signatures.openpgp_keys import read_keyrings
from pyskopeo.signatures.openpgp_message import SignedMessage
from pyskopeo.signatures.openpgp_packets import KeyPacket, SignaturePacket
from tests.support.openpgp import Signatory

TEXT = b"text"


@pytest.mark.parametrize("profile", [Profile.RFC4880, Profile.RFC9580])
@pytest.mark.parametrize(
    "suite", [CipherSuite.Cv25519, CipherSuite.Cv448, CipherSuite.P256, CipherSuite.P384, CipherSuite.P521, CipherSuite.RSA2k]
)
def test_algorithms(profile: Profile, suite: CipherSuite) -> None:
    signatory = Signatory("signer", profile=profile, suite=suite)
    (certificate,) = read_keyrings((signatory.public,))
    signature = SignedMessage.parse(signatory.sign(TEXT)).signature
    signer = certificate.find(signature.issuer)
    assert signer is not None
    assert is_made_by(signer, signature, TEXT)
    assert certificate.find(signer.key_id) == signer
    assert signature.key_id == signer.key_id
    assert not is_made_by(signer, signature, b"tex.")
    assert not is_made_by(certificate.primary, signature, TEXT)
    for position in (-1, len(signature.rest) // 2):
        changed = bytearray(signature.rest)
        changed[position] ^= 1
        assert not is_made_by(signer, replace(signature, rest=bytes(changed)), TEXT)
    for rest in (b"", signature.rest[:2], signature.rest[:-1], signature.rest[:5]):
        assert not is_made_by(signer, replace(signature, rest=rest), TEXT)
    for changes in ({"hash_algorithm": 2}, {"hash_algorithm": 99}, {"key_algorithm": 99}, {"understood": False}):
        assert not is_made_by(signer, replace(signature, **changes), TEXT)
    for end in (7, 12, 20):
        assert not is_made_by(replace(signer, body=signer.body[:end]), signature, TEXT)


def integer(number: int) -> bytes:
    return number.bit_length().to_bytes(2, "big") + number.to_bytes((number.bit_length() + 7) // 8, "big")


def key_packet(algorithm: int, *numbers: int) -> KeyPacket:
    return KeyPacket.parse(b"\4" + bytes(4) + bytes((algorithm,)) + b"".join(map(integer, numbers)))


def by_hand(algorithm: int) -> tuple[SignaturePacket, bytes]:
    """A signature without its numbers, and what is signed for a text."""
    body = bytes((4, 0, algorithm, 8)) + b"\0\6\5\2\0\0\0\1"
    return SignaturePacket.parse(body + b"\0\0\0\0"), TEXT + body + b"\x04\xff" + len(body).to_bytes(4, "big")


@pytest.mark.parametrize(("bits", "accepted"), [(1024, False), (2047, False), (2048, True)])
def test_few_bits_of_rsa(bits: int, accepted: bool) -> None:
    secret = rsa.generate_private_key(65537, bits)
    public = secret.public_key().public_numbers()
    signature, signed = by_hand(1)
    made = int.from_bytes(secret.sign(signed, padding.PKCS1v15(), hashes.SHA256()), "big")
    found = is_made_by(key_packet(1, public.n, public.e), replace(signature, rest=b"\0\0" + integer(made)), TEXT)
    assert found is accepted


def test_numbers_that_are_too_large() -> None:
    """As of a longer key: every certification of a user ID, also by others, is tried with the primary key."""
    public = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    signature = replace(by_hand(1)[0], rest=b"\0\0" + integer(1 << 4095))
    assert not is_made_by(key_packet(1, public.n, public.e), signature, TEXT)
    point = bytes.fromhex("092b06010401da470f01") + integer(0x40 << 256 | 1)
    edwards = KeyPacket.parse(b"\4" + bytes(4) + b"\x16" + point)
    signature = replace(by_hand(22)[0], rest=b"\0\0" + integer(1 << 300) + integer(1))
    assert not is_made_by(edwards, signature, TEXT)


@pytest.mark.parametrize(("bits", "accepted"), [(1024, False), (2048, True)])
def test_few_bits_of_dsa(bits: int, accepted: bool) -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    secret = dsa.generate_private_key(bits)
    public = secret.public_key().public_numbers()
    signature, signed = by_hand(17)
    made = b"".join(map(integer, decode_dss_signature(secret.sign(signed, hashes.SHA256()))))
    numbers = public.parameter_numbers
    key = key_packet(17, numbers.p, numbers.q, numbers.g, public.y)
    assert is_made_by(key, replace(signature, rest=b"\0\0" + made), TEXT) is accepted


@pytest.mark.parametrize("algorithm", [19, 22])
@pytest.mark.parametrize("material", [b"", b"\x05\x2b\x81\x04\x00\x0a\0\0", b"\x02ab\0\x08\4", b"\xff"])
def test_curves_that_are_unknown(algorithm: int, material: bytes) -> None:
    key = KeyPacket.parse(b"\4" + bytes(4) + bytes((algorithm,)) + material)
    signature, _ = by_hand(algorithm)
    assert not is_made_by(key, replace(signature, rest=b"\0\0" + integer(1) + integer(1)), TEXT)
