"""Messages are taken apart in one way only; what could be read in two is refused."""

from __future__ import annotations

import bz2
import zlib

import pytest

from pyskopeo.errors import InvalidContent, TooLarge
from pyskopeo.model.signature import SIGNATURE_LIMIT
from pyskopeo.signatures.openpgp_message import SignedMessage
from pyskopeo.signatures.openpgp_packets import Tag

ISSUER = bytes(range(1, 21))
# Version 4, of a binary text, with Ed25519 and SHA-256, at 1970-01-02, by a fingerprint; then of a hash, and a number.
HASHED = b"\x05\x02\x00\x01\x51\x80" + b"\x16\x21\x04" + ISSUER
BODY = b"\x04\x00\x1b\x08" + len(HASHED).to_bytes(2, "big") + HASHED + b"\0\0" + b"\xab\xcd" + bytes(64)


def new(tag: int, body: bytes) -> bytes:
    """A packet with a header of the newer form."""
    return bytes((0xC0 | tag, 0xFF)) + len(body).to_bytes(4, "big") + body


def old(tag: int, body: bytes) -> bytes:
    """A packet with a header of the older form."""
    return bytes((0x80 | tag << 2 | 1,)) + len(body).to_bytes(2, "big") + body


def literal(text: bytes, name: bytes = b"") -> bytes:
    return new(Tag.LITERAL, b"b" + bytes((len(name),)) + name + bytes(4) + text)


ONE_PASS = old(Tag.ONE_PASS_SIGNATURE, bytes(13))
SIGNATURE = old(Tag.SIGNATURE, BODY)
MESSAGE = ONE_PASS + literal(b"text") + SIGNATURE


def compressed(algorithm: int, raw: bytes) -> bytes:
    return b"\xa3" + bytes((algorithm,)) + raw


def deflated(raw: bytes, bits: int = -15) -> bytes:
    stream = zlib.compressobj(wbits=bits)
    return stream.compress(raw) + stream.flush()


@pytest.mark.parametrize(
    "raw",
    [
        MESSAGE,
        SIGNATURE + literal(b"text"),
        ONE_PASS + literal(b"text", name=b"_CONSOLE") + new(Tag.SIGNATURE, BODY),
        # In parts of 4 bytes (section 4.2.1.4), and the rest.
        ONE_PASS + b"\xcb\xe2b\0\0\0" + b"\x06\0\0text" + SIGNATURE,
        compressed(0, MESSAGE),
        compressed(1, deflated(MESSAGE)),
        compressed(2, deflated(MESSAGE, 15)),
        compressed(3, bz2.compress(MESSAGE)),
        new(Tag.COMPRESSED, b"\x01" + deflated(MESSAGE)),
    ],
)
def test_messages(raw: bytes) -> None:
    message = SignedMessage.parse(raw)
    assert message.content == b"text"
    assert message.signature.issuer == ISSUER.hex().upper()
    assert message.signature.key_id == ISSUER[-8:].hex().upper()
    assert message.signature.created is not None
    assert f"{message.signature.created:%Y-%m-%d}" == "1970-01-02"
    assert SignedMessage.parse(message.encoded) == message


TEXT = literal(b"text")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is empty"),
        (b"text", "not OpenPGP data"),
        (b"-----BEGIN PGP MESSAGE-----", "it is armored, want binary"),
        (b"-----BEGIN PGP SIGNED MESSAGE-----", "it is armored, want binary"),
        (MESSAGE[:-1], "cut short"),
        (MESSAGE[:20], "cut short"),
        (MESSAGE + b"\0", "not OpenPGP data"),
        (MESSAGE + MESSAGE, "more than one text"),
        (ONE_PASS + ONE_PASS + TEXT + SIGNATURE + SIGNATURE, "Unexpected GPG signature count 2"),
        (SIGNATURE + SIGNATURE + TEXT, "Unexpected GPG signature count 2"),
        (SIGNATURE, "a detached signature"),
        (TEXT, "it is not signed"),
        (ONE_PASS + TEXT, "it is not signed"),
        (TEXT + SIGNATURE, "packets that do not belong"),
        (ONE_PASS + SIGNATURE + TEXT, "packets that do not belong"),
        (ONE_PASS + TEXT + SIGNATURE + new(60, b""), "packets that do not belong"),
        (new(10, b"PGP") + MESSAGE, "packets that do not belong"),
        (ONE_PASS + TEXT + TEXT + SIGNATURE, "more than one text"),
        (new(Tag.PKESK, b"") + new(Tag.SEIPD, b""), "it is encrypted"),
        (new(Tag.SKESK, b"") + new(Tag.AEAD, b""), "it is encrypted"),
        (new(Tag.SED, b""), "it is encrypted"),
        (new(Tag.PUBLIC_KEY, b"\4") + SIGNATURE, "it is a key"),
        (new(Tag.SECRET_KEY, b"\4"), "it is a key"),
        (new(Tag.COMPRESSED, b"\0" + MESSAGE) + MESSAGE, "it is compressed twice, or together"),
        (MESSAGE + compressed(0, MESSAGE), "it is compressed twice, or together"),
        (compressed(0, compressed(0, MESSAGE)), "it is compressed twice, or together"),
        (compressed(4, MESSAGE), "an unknown algorithm (4)"),
        (b"\xa3", "it is empty"),
        (compressed(1, b"\xff\xff"), "it cannot be decompressed"),
        (compressed(2, deflated(MESSAGE)), "it cannot be decompressed"),
        (compressed(3, MESSAGE), "it cannot be decompressed"),
        (compressed(1, deflated(MESSAGE) + b"x"), "followed by something else"),
        (compressed(2, deflated(MESSAGE, 15)[:-2]), "cut short"),
        (ONE_PASS + new(Tag.LITERAL, b"b\xff") + SIGNATURE, "cut short"),
        (ONE_PASS + TEXT + new(Tag.SIGNATURE, b"\3" + BODY[1:]), "a signature of version 3 is not supported"),
        (ONE_PASS + TEXT + new(Tag.SIGNATURE, BODY[:12]), "cut short"),
        (ONE_PASS + TEXT + new(Tag.SIGNATURE, b"\4\0\x1b\x08\0\1\0\0\0"), "an empty subpacket"),
    ],
)
def test_what_is_no_message(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidContent) as caught:
        SignedMessage.parse(raw)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("algorithm", "compress"), [(1, deflated), (2, zlib.compress), (3, bz2.compress)])
def test_what_becomes_too_large(algorithm: int, compress: object) -> None:
    assert callable(compress)
    with pytest.raises(TooLarge, match="when it is decompressed"):
        SignedMessage.parse(compressed(algorithm, compress(bytes(SIGNATURE_LIMIT + 1))))


def test_what_is_too_large() -> None:
    with pytest.raises(TooLarge, match="it has over 4194304 bytes"):
        SignedMessage.parse(bytes(SIGNATURE_LIMIT + 1))


def test_what_is_not_signed_does_not_count_before_what_is() -> None:
    """Who made a signature is in both parts of it; the signed one decides."""
    unsigned = b"\x16\x21\x04" + bytes(20)
    body = BODY.replace(b"\0\0\xab\xcd", len(unsigned).to_bytes(2, "big") + unsigned + b"\xab\xcd")
    message = SignedMessage.parse(ONE_PASS + TEXT + old(Tag.SIGNATURE, body))
    assert message.signature.issuer == ISSUER.hex().upper()
