"""OpenPGP keys, certificates and messages made by hand: of any time, and with statements that no program would make."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CERTIFY, SIGN, ENCRYPT = 1, 2, 4
_CURVE = bytes.fromhex("092b06010401da470f01")
_EDDSA = 22
_HASHES = {"sha1": 2, "sha256": 8}


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def packet(tag: int, body: bytes) -> bytes:
    return bytes((0xC0 | tag, 0xFF)) + len(body).to_bytes(4, "big") + body


def _integer(raw: bytes) -> bytes:
    number = int.from_bytes(raw, "big")
    return number.bit_length().to_bytes(2, "big") + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _seconds(time: datetime) -> bytes:
    return struct.pack(">I", int(time.timestamp()))


def _subpackets(items: Sequence[tuple[int, bytes]]) -> bytes:
    """Subpackets, each with a length of five bytes, and before them the length of all."""
    found = b"".join(b"\xff" + (len(content) + 1).to_bytes(4, "big") + bytes((kind,)) + content for kind, content in items)
    return len(found).to_bytes(2, "big") + found


@dataclass
class Key:
    """A key of Ed25519, of version 4 and the older form; ``algorithm`` is that of the digests it signs."""

    created: datetime
    algorithm: str = "sha256"
    secret: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def body(self) -> bytes:
        point = b"\x40" + self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return b"\x04" + _seconds(self.created) + bytes((_EDDSA,)) + _CURVE + _integer(point)

    @property
    def hashed(self) -> bytes:
        return b"\x99" + len(self.body).to_bytes(2, "big") + self.body

    @property
    def fingerprint(self) -> str:
        return hashlib.sha1(self.hashed).hexdigest().upper()

    def signature(
        self, kind: int, data: bytes, created: datetime, *more: tuple[int, bytes], embedded: bytes = b"", issuer: bytes | None = None
    ) -> bytes:
        """The body of a signature packet of ``data``; ``more`` are subpackets that are signed, ``embedded`` is not."""
        named = b"\x04" + bytes.fromhex(self.fingerprint) if issuer is None else issuer
        hashed = _subpackets([(2, _seconds(created)), (33, named), *more])
        head = bytes((4, kind, _EDDSA, _HASHES[self.algorithm])) + hashed
        digest = hashlib.new(self.algorithm, data + head + b"\x04\xff" + len(head).to_bytes(4, "big")).digest()
        made = self.secret.sign(digest)
        unhashed = _subpackets([(32, embedded)] if embedded else [])
        return head + unhashed + digest[:2] + _integer(made[:32]) + _integer(made[32:])

    def message(self, text: bytes, created: datetime, *more: tuple[int, bytes], kind: int = 0) -> bytes:
        """A signed message, not compressed."""
        one_pass = bytes((3, kind, _HASHES[self.algorithm], _EDDSA)) + bytes.fromhex(self.fingerprint)[-8:] + b"\1"
        signature = self.signature(kind, text, created, *more)
        return packet(4, one_pass) + packet(11, b"b\0" + bytes(4) + text) + packet(2, signature)

    def certificate(self, *parts: bytes, flags: int = CERTIFY | SIGN, days: int | None = None, name: bytes = b"a <a@example.com>") -> bytes:
        """A certificate with one user ID, valid for ``days``, and with ``parts`` after that."""
        return packet(6, self.body) + packet(13, name) + packet(2, self.certification(name, self.created, flags, days)) + b"".join(parts)

    def certification(self, name: bytes, created: datetime, flags: int, days: int | None = None) -> bytes:
        """The body of a signature of one's own user ID."""
        data = self.hashed + b"\xb4" + len(name).to_bytes(4, "big") + name
        return self.signature(0x13, data, created, (27, bytes((flags,))), *_lifetime(days))

    def binding(
        self, subkey: Key, created: datetime, flags: int = SIGN, days: int | None = None, consent: bool = True
    ) -> bytes:
        """The body of a signature by which this key binds ``subkey``, with or without the subkey's own."""
        data = self.hashed + subkey.hashed
        embedded = subkey.signature(0x19, data, created) if consent else b""
        return self.signature(0x18, data, created, (27, bytes((flags,))), *_lifetime(days), embedded=embedded)

    def revocation(self, subkey: Key, created: datetime) -> bytes:
        """The body of a signature that revokes ``subkey``."""
        return self.signature(0x28, self.hashed + subkey.hashed, created, (29, b"\0"))


def bound(subkey: Key, *signatures: bytes) -> bytes:
    """The part of a certificate for a subkey."""
    return packet(14, subkey.body) + b"".join(packet(2, one) for one in signatures)


def _lifetime(days: int | None) -> list[tuple[int, bytes]]:
    return [] if days is None else [(9, struct.pack(">I", days * 86400))]
