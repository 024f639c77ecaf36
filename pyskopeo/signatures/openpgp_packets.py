"""Packets of OpenPGP (RFC 9580, sections 4 and 5): reading what a signed message, a signature and a key consist of.

Nothing is verified here. Errors are `InvalidContent` without a prefix: callers say what they were reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from ..errors import InvalidContent
from ..fast_dataclass import dataclass


class Tag(IntEnum):
    """Types of packets that matter here (section 5)."""

    PKESK = 1
    SIGNATURE = 2
    SKESK = 3
    ONE_PASS_SIGNATURE = 4
    SECRET_KEY = 5
    PUBLIC_KEY = 6
    SECRET_SUBKEY = 7
    COMPRESSED = 8
    SED = 9
    LITERAL = 11
    USER_ID = 13
    PUBLIC_SUBKEY = 14
    SEIPD = 18
    AEAD = 20


# Subpackets of signatures (section 5.2.3.7).
_CREATED, _EXPIRES, _KEY_EXPIRES, _ISSUER, _KEY_FLAGS, _EMBEDDED, _ISSUER_FINGERPRINT = 2, 3, 9, 16, 27, 32, 33
# All of that section but notations, whose meaning is a matter of those who use them. The highest bit of a type says
# that a signature means nothing to those who do not know it.
_KNOWN = frozenset({*range(2, 8), 9, 11, 12, 16, *range(21, 36), 39})
_CRITICAL = 0x80
_MAY_SIGN = 0x02


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: its type (`Tag`, or another number) and its body."""

    tag: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignaturePacket:
    """The fields of a signature packet of version 4 or 6 (section 5.2.3).

    ``issuer`` is the fingerprint or the key ID of the key that made it, in upper-case hex, "" if it says neither; like
    ``created`` it may stand in the part that is not signed. ``lifetime`` is how long the signature is valid,
    ``key_lifetime`` how long the key that it binds is; both are None without a limit. ``flags`` are what that key is
    for, 0 for nothing, None if it is not said. ``embedded`` is the body of the signature by which a subkey consents to
    be bound, empty without one. ``understood`` is whether everything that is critical in it is known here. ``signed``
    is the part of the body that is signed, ``rest`` what follows the other subpackets: two bytes of the hash, the salt,
    and the numbers of the algorithm.
    """

    version: int
    type: int
    key_algorithm: int
    hash_algorithm: int
    issuer: str
    created: datetime | None
    lifetime: timedelta | None
    key_lifetime: timedelta | None
    flags: int | None
    embedded: bytes = field(repr=False)
    understood: bool
    signed: bytes = field(repr=False)
    rest: bytes = field(repr=False)

    @classmethod
    def parse(cls, body: bytes) -> SignaturePacket:
        """Parse the body of a signature packet; raises `InvalidContent`."""
        reader = _Reader(body)
        version = reader.number(1)
        if version not in (4, 6):
            raise InvalidContent(f"a signature of version {version} is not supported")
        kind, key_algorithm, hash_algorithm = reader.take(3)
        width = 2 if version == 4 else 4
        every = list(_subpackets(reader.take(reader.number(width))))
        hashed = {kind & ~_CRITICAL: content for kind, content in every}
        signed = body[: reader.position]
        unhashed = {kind & ~_CRITICAL: content for kind, content in _subpackets(reader.take(reader.number(width)))}
        return cls(
            version, kind, key_algorithm, hash_algorithm,
            issuer=_issuer({**unhashed, **hashed}),
            created=_time(hashed.get(_CREATED)),
            lifetime=_duration(hashed.get(_EXPIRES)),
            key_lifetime=_duration(hashed.get(_KEY_EXPIRES)),
            flags=int.from_bytes(hashed[_KEY_FLAGS][:1], "big") if _KEY_FLAGS in hashed else None,
            embedded=hashed.get(_EMBEDDED) or unhashed.get(_EMBEDDED, b""),
            understood=all(kind & ~_CRITICAL in _KNOWN for kind, _ in every if kind & _CRITICAL),
            signed=signed,
            rest=body[reader.position :],
        )  # fmt: skip

    @property
    def key_id(self) -> str:
        """The key ID of the issuer, 16 digits, "" if it is unknown (section 5.5.4)."""
        if len(self.issuer) > 40:
            return self.issuer[:16]
        return self.issuer[-16:]

    @property
    def may_sign(self) -> bool:
        """Whether the key that it binds is for signing data (section 5.2.3.29)."""
        return self.flags is not None and bool(self.flags & _MAY_SIGN)


@dataclass(frozen=True, slots=True)
class KeyPacket:
    """The fields of a public key or subkey (section 5.5.2); ``body`` is that of the public packet."""

    version: int
    created: datetime
    algorithm: int
    body: bytes = field(repr=False)

    @classmethod
    def parse(cls, body: bytes) -> KeyPacket:
        """Parse the body of the packet of a public key; raises `InvalidContent`."""
        reader = _Reader(body)
        version = reader.number(1)
        created = _time(reader.take(4))
        assert created is not None
        return cls(version, created, reader.number(1), body)

    @property
    def material(self) -> bytes:
        """The numbers of the algorithm."""
        return self.body[6 if self.version == 4 else 10 :]

    @property
    def hashed(self) -> bytes:
        """What signatures of keys are computed over (section 5.2.4)."""
        if self.version == 4:
            return b"\x99" + len(self.body).to_bytes(2, "big") + self.body
        return b"\x9b" + len(self.body).to_bytes(4, "big") + self.body

    @property
    def fingerprint(self) -> str:
        """The fingerprint, in upper-case hex."""
        hasher = hashlib.sha1(self.hashed, usedforsecurity=False) if self.version == 4 else hashlib.sha256(self.hashed)
        return hasher.hexdigest().upper()

    @property
    def key_id(self) -> str:
        """The key ID, 16 digits."""
        return self.fingerprint[-16:] if self.version == 4 else self.fingerprint[:16]

    def is_named_by(self, issuer: str) -> bool:
        """Return whether ``issuer``, a fingerprint or a key ID, is that of this key."""
        return issuer in (self.fingerprint, self.key_id)


def read_packets(raw: bytes) -> Iterator[Packet]:
    """Yield the packets in ``raw``, in order (section 4.2); raises `InvalidContent`."""
    reader = _Reader(raw)
    while reader.left:
        header = reader.number(1)
        if not header & 0x80:
            raise InvalidContent("not OpenPGP data")
        if header & 0x40:
            yield Packet(header & 0x3F, _new_body(reader))
        else:
            yield Packet(header >> 2 & 0x0F, _old_body(reader, header & 3))


def _old_body(reader: _Reader, length_type: int) -> bytes:
    return reader.take(reader.left if length_type == 3 else reader.number(1 << length_type))


def _new_body(reader: _Reader) -> bytes:
    body = bytearray()
    while True:
        first = reader.number(1)
        if 224 <= first < 255:  # a part of the body
            body += reader.take(1 << (first & 0x1F))
            continue
        return bytes(body + reader.take(_new_length(first, reader)))


def _new_length(first: int, reader: _Reader) -> int:
    """Return the length that begins with the byte ``first``, which is not that of a part."""
    if first < 192:
        return first
    return reader.number(4) if first == 255 else (first - 192 << 8) + reader.number(1) + 192


def _subpackets(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield types, with the bit that makes them critical, and contents of subpackets (section 5.2.3.7)."""
    reader = _Reader(raw)
    while reader.left:
        first = reader.number(1)
        content = reader.take(_new_length(first, reader))
        if not content:
            raise InvalidContent("an empty subpacket")
        yield content[0], content[1:]


def _issuer(subpackets: Mapping[int, bytes]) -> str:
    fingerprint = subpackets.get(_ISSUER_FINGERPRINT, b"")[1:]
    return (fingerprint or subpackets.get(_ISSUER, b"")).hex().upper()


def _time(raw: bytes | None) -> datetime | None:
    return None if raw is None or len(raw) != 4 else datetime.fromtimestamp(int.from_bytes(raw, "big"), UTC)


def _duration(raw: bytes | None) -> timedelta | None:
    seconds = int.from_bytes(raw or b"", "big")
    return timedelta(seconds=seconds) if seconds and len(raw or b"") == 4 else None


class _Reader:
    """Takes bytes from the beginning of a buffer; what is not there is an error."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.position = 0

    @property
    def left(self) -> int:
        return len(self._raw) - self.position

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise InvalidContent("cut short")
        self.position += count
        return self._raw[self.position - count : self.position]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")
