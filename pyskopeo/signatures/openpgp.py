"""Verification of signed OpenPGP messages by the library pysequoia, the extra ``openpgp``.

The library judges a message as of the time when it was made, by its own clock. That a key has neither expired nor been
revoked since is checked besides, as gpg does. Some it cannot judge: a certificate that was renewed after the message
was signed, to extend the key for example, often has nothing left that says what was true before; others say what they
say of themselves by SHA-1, or are on a curve that it lacks. Then what is true now counts, and `openpgp_crypto`
verifies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime

from ..errors import InvalidContent
from ..fast_dataclass import dataclass
from .openpgp_crypto import is_made_by
from .openpgp_keys import TOLERANCE, Certificate, library_errors, read_keyrings
from .openpgp_message import SignedMessage
from .openpgp_packets import KeyPacket, SignaturePacket

# Section 9.5: collisions of these can be computed.
_WEAK_HASHES = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160"}
_BINARY = 0x00


@dataclass(frozen=True, slots=True)
class VerifiedMessage:
    """A text and who has signed it: ``fingerprint`` is that of the primary key, ``key`` that of the key or subkey."""

    content: bytes = field(repr=False)
    fingerprint: str
    key: str


def verify_message(raw: bytes, keyrings: Sequence[bytes], now: datetime) -> VerifiedMessage:
    """Verify a message that is signed by exactly one of the keys in ``keyrings``, at the time ``now``.

    Raises `InvalidContent`, whose text says what is wrong, and `Unsupported` without the extra ``openpgp``.
    """
    certificates = read_keyrings(tuple(keyrings))
    try:
        message = SignedMessage.parse(raw)
    except InvalidContent as error:
        raise _invalid(str(error)) from None
    signature = message.signature
    signers = [(one, key) for one in certificates if signature.issuer and (key := one.find(signature.issuer))]
    if not signers:
        known = "the key" if len(certificates) == 1 else f"one of the {len(certificates)} keys"
        made_by = f"the key {signature.issuer}" if signature.issuer else "a key that it does not name"
        raise _invalid(f"made by {made_by}, which is not {known} that may sign")
    faults = [certificate.fault(key, now) for certificate, key in signers]
    if all(faults):
        raise _invalid(faults[0])
    _check_age(signature, now)
    accepted = [signer for signer, fault in zip(signers, faults, strict=True) if not fault]
    found = _verify(message, accepted) or next((v for one in accepted if (v := _verify_as_of_now(message, *one))), None)
    if found is None:
        raise _invalid(_why_not(signature, accepted[0][1]))
    return found


def _verify(message: SignedMessage, signers: Sequence[tuple[Certificate, KeyPacket]]) -> VerifiedMessage | None:
    import pysequoia

    certs = [certificate.cert for certificate, _ in signers]
    try:
        with library_errors():
            verified = pysequoia.verify(bytes=message.encoded, store=lambda _: certs)
    except InvalidContent:
        return None
    # What was taken apart here and what the library has verified must be the same.
    if len(verified.valid_sigs) != 1 or verified.bytes != message.content:
        return None
    by = verified.valid_sigs[0]
    found = VerifiedMessage(message.content, by.certificate.upper(), by.signing_key.upper())
    named = [(certificate.fingerprint, signer.fingerprint) for certificate, signer in signers]
    return found if (found.fingerprint, found.key) in named else None


def _verify_as_of_now(message: SignedMessage, certificate: Certificate, signer: KeyPacket) -> VerifiedMessage | None:
    """Verify a message that the library has not accepted; the key was found to be good now."""
    signature = message.signature
    if signature.created is None or signature.type != _BINARY:
        return None
    if max(certificate.primary.created, signer.created) > signature.created:
        return None
    if not is_made_by(signer, signature, message.content):
        return None
    return VerifiedMessage(message.content, certificate.fingerprint, signer.fingerprint)


def _check_age(signature: SignaturePacket, now: datetime) -> None:
    if signature.created is None:
        raise _invalid("it does not say when it was made")
    if signature.created > now + TOLERANCE:
        raise _invalid(f"it is dated {signature.created:%Y-%m-%d %H:%M} UTC, which is in the future")
    if signature.lifetime is not None and (end := signature.created + signature.lifetime) <= now:
        raise _invalid(f"it expired on {end:%Y-%m-%d}")


def _why_not(signature: SignaturePacket, signer: KeyPacket) -> str:
    if weak := _WEAK_HASHES.get(signature.hash_algorithm):
        return f"it uses {weak}, which is not safe any more"
    return f"bad signature by the key {signer.fingerprint}: it or its text was changed"


def _invalid(reason: str) -> InvalidContent:
    return InvalidContent(f"Invalid GPG signature: {reason}")
