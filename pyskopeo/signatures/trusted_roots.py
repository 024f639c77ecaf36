"""Trusted roots of sigstore's services: ``trusted_root.json`` (sigstore's protobuf-specs, ``TrustedRoot``)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..fast_dataclass import dataclass
from .certificate_chains import parse_certificate
from .json_members import (
    an_object,
    known,
    member_bytes,
    member_list,
    member_object,
    member_text,
    parse_document,
    shown,
)
from .public_keys import encode_public_key, parse_public_key
from .refusals import SignatureRefused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from ..config.policy_keys import KeyFile
    from .public_keys import PublicKey

LIMIT = 16 * 1024 * 1024
"""The maximum size of a trusted root, in bytes."""

_MEDIA_TYPES = (
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
)
# Kinds of keys that are read; a trusted root may have others, for programs that are newer.
_KEY_KINDS = ("PKIX_ECDSA_", "PKIX_ED25519", "PKIX_RSA_PKCS1V15_", "PKCS1_RSA_PKCS1V5")


@dataclass(frozen=True, slots=True)
class Period:
    """When a key or an authority was in use, both ends included; ``end`` is None while it is."""

    start: datetime
    end: datetime | None

    def includes(self, time: datetime) -> bool:
        """Return whether ``time`` is in the period."""
        return self.start <= time and (self.end is None or time <= self.end)


@dataclass(frozen=True, slots=True)
class LogKey:
    """The key of a log, of signatures or of certificates; ``log_id`` is the SHA-256 of the key."""

    key: PublicKey
    log_id: bytes
    period: Period


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """The certificates of an authority, its root included."""

    certificates: tuple[Certificate, ...]
    period: Period


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """Authorities, logs of signatures, and logs of certificates; without logs whose keys are of an unknown kind."""

    authorities: tuple[CertificateAuthority, ...]
    logs: tuple[LogKey, ...]
    certificate_logs: tuple[LogKey, ...]

    @classmethod
    def parse(cls, file: KeyFile) -> TrustedRoot:
        """Parse a file; raises `SignatureRefused` that names it."""
        document = parse_document(file.content, file.where, LIMIT)
        if document.get("mediaType") not in _MEDIA_TYPES:
            found = shown(document.get("mediaType"))
            raise SignatureRefused(f"{file.where} is not a trusted root of sigstore: its media type is {found}")
        names = ("tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities")
        known(document, file.where, "mediaType", *names)
        tlogs, authorities, ctlogs, _ = (member_list(document, name, file.where) for name in names)
        return cls(
            tuple(_authority(one, file.where) for one in authorities),
            _log_keys(tlogs, file.where),
            _log_keys(ctlogs, file.where),
        )

    def certificates_at(self, time: datetime) -> tuple[Certificate, ...]:
        """Return the certificates of the authorities that were in use at ``time``."""
        found = (one.certificates for one in self.authorities if one.period.includes(time))
        return tuple(certificate for certificates in found for certificate in certificates)

    def log_keys_at(self, time: datetime) -> tuple[PublicKey, ...]:
        """Return the keys of the logs of signatures that were in use at ``time``."""
        return tuple(one.key for one in self.logs if one.period.includes(time))


def _authority(value: Any, where: str) -> CertificateAuthority:
    found = an_object(value, f"{where}: certificateAuthorities")
    chain = member_list(member_object(found, "certChain", where), "certificates", where)
    certificates = tuple(
        parse_certificate(member_bytes(an_object(one, where), "rawBytes", where), f"a certificate of {where}")
        for one in chain
    )
    return CertificateAuthority(certificates, _period(found, where))


def _log_keys(logs: list[Any], where: str) -> tuple[LogKey, ...]:
    found = (member_object(an_object(one, f"{where}: a log"), "publicKey", where) for one in logs)
    return tuple(
        _log_key(one, where) for one in found if member_text(one, "keyDetails", where).startswith(_KEY_KINDS)
    )


def _log_key(found: dict[str, Any], where: str) -> LogKey:
    key = parse_public_key(member_bytes(found, "rawBytes", where), f"a key of {where}")
    return LogKey(key, hashlib.sha256(encode_public_key(key)).digest(), _period(found, where))


def _period(value: dict[str, Any], where: str) -> Period:
    found = member_object(value, "validFor", where)
    end = None if found.get("end") is None else _time(found, "end", where)
    return Period(_time(found, "start", where), end)


def _time(found: dict[str, Any], name: str, where: str) -> datetime:
    text = member_text(found, name, f"{where}: validFor")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise SignatureRefused(f"{where}: validFor.{name} is not a time (RFC 3339): {shown(text)}")
    return time.astimezone(UTC)
