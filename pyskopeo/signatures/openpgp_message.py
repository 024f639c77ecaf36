"""The signed message of a simple signature: one literal text and one signature of it (RFC 9580, section 10.3).

Programs that take a message apart in different ways can be made to verify one text and to read another. So nothing is
accepted here but the two forms that GnuPG and Sequoia write, optionally compressed, with nothing before or after.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from ..errors import InvalidContent, TooLarge
from ..fast_dataclass import dataclass
from ..model.signature import SIGNATURE_LIMIT
from .openpgp_packets import Packet, SignaturePacket, Tag, read_packets

_ENCRYPTED = frozenset({Tag.PKESK, Tag.SKESK, Tag.SED, Tag.SEIPD, Tag.AEAD})
_KEYS = frozenset({Tag.PUBLIC_KEY, Tag.PUBLIC_SUBKEY, Tag.SECRET_KEY, Tag.SECRET_SUBKEY})
_FORMS = ((Tag.ONE_PASS_SIGNATURE, Tag.LITERAL, Tag.SIGNATURE), (Tag.SIGNATURE, Tag.LITERAL))


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message with one signature, none of which is verified: ``encoded`` are its packets without compression."""

    encoded: bytes = field(repr=False)
    content: bytes = field(repr=False)
    signature: SignaturePacket

    @classmethod
    def parse(cls, raw: bytes) -> SignedMessage:
        """Parse a binary message of up to `SIGNATURE_LIMIT` bytes, decompressed too.

        Raises `InvalidContent`, whose text says what the message is instead.
        """
        if len(raw) > SIGNATURE_LIMIT:
            raise TooLarge(f"it has over {SIGNATURE_LIMIT} bytes", limit=SIGNATURE_LIMIT)
        if raw.startswith(b"-----BEGIN PGP"):
            raise InvalidContent("it is armored, want binary: gpg --dearmor")
        packets = _packets(raw)
        if packets[0].tag == Tag.COMPRESSED and len(packets) == 1:
            raw = _decompress(packets[0].body)
            packets = _packets(raw)
        _check_form(packets)
        of_tag = {packet.tag: packet.body for packet in packets}
        return cls(raw, _literal(of_tag[Tag.LITERAL]), SignaturePacket.parse(of_tag[Tag.SIGNATURE]))


def _packets(raw: bytes) -> list[Packet]:
    packets = list(read_packets(raw))
    if not packets:
        raise InvalidContent("it is empty")
    return packets


def _check_form(packets: list[Packet]) -> None:
    tags = tuple(packet.tag for packet in packets)
    if tags in _FORMS:
        return
    if _ENCRYPTED.intersection(tags):
        raise InvalidContent("it is encrypted")
    if Tag.COMPRESSED in tags:
        raise InvalidContent("it is compressed twice, or together with something else")
    if _KEYS.intersection(tags):
        raise InvalidContent("it is a key, not a signed message")
    if tags.count(Tag.LITERAL) > 1:
        raise InvalidContent("it has more than one text")
    signatures = tags.count(Tag.SIGNATURE)
    if Tag.LITERAL not in tags and signatures:
        raise InvalidContent("it is a detached signature, without the text that is signed")
    if not signatures:
        raise InvalidContent("it is not signed")
    if signatures > 1:
        raise InvalidContent(f"Unexpected GPG signature count {signatures}")
    raise InvalidContent("it has packets that do not belong to a signed message")


def _literal(body: bytes) -> bytes:
    """Return the text of a literal packet (section 5.9): after a format, a file name, and a date."""
    start = 6 + (body[1] if len(body) > 1 else 0)
    if len(body) < start:
        raise InvalidContent("cut short")
    return body[start:]


def _decompress(body: bytes) -> bytes:
    """Decompress a packet (section 5.6) of up to `SIGNATURE_LIMIT` bytes; what follows the stream is an error."""
    import zlib

    algorithm, data = (body[0], body[1:]) if body else (0, b"")
    if algorithm == 0:
        return data
    try:
        stream = _decompressor(algorithm)
        plain: bytes = stream.decompress(data, SIGNATURE_LIMIT + 1)
    except (zlib.error, OSError, EOFError) as error:
        raise InvalidContent(f"it cannot be decompressed: {error}") from None
    if len(plain) > SIGNATURE_LIMIT:
        raise TooLarge(f"it has over {SIGNATURE_LIMIT} bytes when it is decompressed", limit=SIGNATURE_LIMIT)
    if not stream.eof or stream.unused_data:
        raise InvalidContent("its compressed text is cut short, or is followed by something else")
    return plain


def _decompressor(algorithm: int) -> Any:
    """Return a decompressor for one of the algorithms of section 9.4: ZIP, ZLIB, BZip2."""
    import bz2
    import zlib

    if algorithm == 3:
        return bz2.BZ2Decompressor()
    if algorithm not in (1, 2):
        raise InvalidContent(f"it is compressed by an unknown algorithm ({algorithm})")
    return zlib.decompressobj(-15 if algorithm == 1 else 15)
