"""Signed certificate timestamps: that a log of certificates has seen a certificate (RFC 6962, sections 3.2 and 3.3)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from .certificate_chains import certificate_key
from .public_keys import encode_public_key, is_signed_by
from .refusals import SignatureRefused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from cryptography.x509.certificate_transparency import SignedCertificateTimestamp

    from .trusted_roots import LogKey

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CERTIFICATE_TIMESTAMP, _PRECERTIFICATE = 0, 1


def check_certificate_timestamp(leaf: Certificate, issuer: Certificate, logs: Sequence[LogKey]) -> None:
    """Raise `SignatureRefused` unless one of the timestamps in a certificate is by one of ``logs``."""
    from cryptography import x509

    try:
        found = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
    except x509.ExtensionNotFound:
        raise SignatureRefused("the certificate has no timestamp of a log of certificates") from None
    if not any(_is_by(stamp, leaf, issuer, log) for stamp in found for log in logs):
        raise SignatureRefused("the certificate has no timestamp of a log of certificates that is trusted")


def _is_by(stamp: SignedCertificateTimestamp, leaf: Certificate, issuer: Certificate, log: LogKey) -> bool:
    from cryptography.x509.certificate_transparency import LogEntryType

    time = stamp.timestamp.replace(tzinfo=UTC)
    if stamp.log_id != log.log_id or stamp.entry_type != LogEntryType.PRE_CERTIFICATE or not log.period.includes(time):
        return False
    issuer_key = encode_public_key(certificate_key(issuer))
    certificate, extensions = leaf.tbs_precertificate_bytes, stamp.extension_bytes
    milliseconds = (time - _EPOCH) // timedelta(milliseconds=1)
    message = (
        struct.pack(">BBQH", 0, _CERTIFICATE_TIMESTAMP, milliseconds, _PRECERTIFICATE)
        + hashlib.sha256(issuer_key).digest()
        + len(certificate).to_bytes(3, "big") + certificate
        + len(extensions).to_bytes(2, "big") + extensions
    )  # fmt: skip
    return is_signed_by(log.key, stamp.signature, message)
