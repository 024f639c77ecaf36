"""Signatures of sigstore as cosign stores them in tags ``sha256-HEX.sig``: a payload, and annotations of its layer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .certificate_chains import encode_certificate, load_intermediates, load_leaf
from .json_members import decode_base64, shown
from .public_keys import (
    encode_public_key,
    is_signed_by,
    load_log_keys,
    load_public_key,
    require_cryptography,
)
from .refusals import SignatureRefused
from .rekor_bodies import RekorBody
from .rekor_set import parse_promised_entry
from .sigstore_annotations import (
    CERTIFICATE_ANNOTATION,
    CHAIN_ANNOTATION,
    LOG_ENTRY_ANNOTATION,
    PAYLOAD_TYPE,
    SIGNATURE_ANNOTATION,
)
from .sigstore_payload import SigstorePayload
from .trusted_certificates import check_fulcio, check_keyless, check_pki
from .trusted_roots import TrustedRoot
from .verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import Certificate

    from ..config.policy_identities import SignedIdentity
    from ..model.signature import Signature
    from .public_keys import PublicKey
    from .sigstore_trust import FulcioTrust, KeylessTrust, PkiTrust, SigstoreTrust, TrustFile
    from .trusted_certificates import CertifiedKey
    from .verdict import SignedImage


def verify(
    signature: Signature, image: SignedImage, trust: SigstoreTrust, identity: SignedIdentity | None, now: datetime
) -> Verdict:
    """Judge a signature whose format is ``sigstore``; ``now`` is in UTC.

    Without ``identity``, the name of the image that is signed does not matter. What is wrong with the signature or
    with a file of ``trust`` is the reason of the verdict. Raises `Unsupported` without the package cryptography.
    """
    require_cryptography()
    signer = ""
    try:
        signer = _signer(signature, trust, now)
        payload = SigstorePayload.parse(signature.content)
        check_claims(payload.digest, payload.reference, image, identity)
    except SignatureRefused as error:
        claimed = _claims(signature)
        return Verdict(False, str(error), signer, *claimed, where=signature.where, format=signature.format)
    return Verdict(True, "", signer, payload.reference, payload.digest, signature.where, signature.format)


def check_claims(digest: str, reference: str, image: SignedImage, identity: SignedIdentity | None) -> None:
    """Raise `SignatureRefused` unless a payload is about the image: its manifest, and its name."""
    if not image.has_digest(digest):
        raise SignatureRefused(f"Signature for digest {digest} does not match")
    if identity is not None:
        from .identities import refusal

        if reason := refusal(identity, image.reference, reference):
            raise SignatureRefused(reason)


def _claims(signature: Signature) -> tuple[str, str]:
    """Return the name and the digest that a signature claims, whoever made it; both "" if it cannot be read."""
    try:
        payload = SigstorePayload.parse(signature.content)
    except SignatureRefused:
        return "", ""
    return payload.reference, payload.digest


def _signer(signature: Signature, trust: SigstoreTrust, now: datetime) -> str:
    """Return who signed the payload: the file of a key, or the names in a certificate; raises `SignatureRefused`."""
    if signature.media_type != PAYLOAD_TYPE:
        raise SignatureRefused(f"an attachment of type {shown(signature.media_type)}, which is no signature")
    encoded = _annotation(signature, SIGNATURE_ANNOTATION)
    made = decode_base64(encoded, f"the annotation {SIGNATURE_ANNOTATION}")
    if trust.keys:
        return _signer_by_key(signature, made, trust)
    if trust.fulcio is not None:
        signer = _fulcio_signer(signature, made, trust.fulcio, trust.rekor_keys)
    elif trust.pki is not None:
        signer = _pki_signer(signature, trust.pki, now)
    elif trust.keyless is not None:
        signer = _keyless_signer(signature, made, trust.keyless)
    else:
        raise SignatureRefused("neither a key nor an authority is trusted for signatures of this format")
    if not is_signed_by(signer.key, made, signature.content):
        raise SignatureRefused(f"the key of the certificate for {signer.called} has not made the signature")
    return signer.called


def _signer_by_key(signature: Signature, made: bytes, trust: SigstoreTrust) -> str:
    # All keys are read, so that one that is wrong is noticed before it is needed.
    keys = [(file.where, load_public_key(file)) for file in trust.keys]
    if trust.rekor_keys:
        rekor_keys = load_log_keys(trust.rekor_keys)
        logged = _logged(signature, made, lambda _: rekor_keys)[1]
        keys = [(where, key) for where, key in keys if encode_public_key(key) == logged]
        if not keys:
            raise SignatureRefused("publicKey in Rekor SET does not match a key that is trusted")
    for where, key in keys:
        if is_signed_by(key, made, signature.content):
            return where
    known = ", ".join(where for where, _ in keys)
    raise SignatureRefused(f"cryptographic signature verification failed: the signature is not by {known}")


def _logged(
    signature: Signature, made: bytes, keys_at: Callable[[datetime], Sequence[PublicKey]]
) -> tuple[datetime, bytes]:
    """Return the time of the log entry of a signature, and the key or certificate in it (DER)."""
    entry = parse_promised_entry(_annotation(signature, LOG_ENTRY_ANNOTATION), keys_at)
    body = RekorBody.parse(decode_base64(entry.body, "the body of the Rekor SET"))
    if body.kind != "hashedrekord":
        raise SignatureRefused(f"the Rekor SET is for an entry of type {body.kind}, not hashedrekord")
    if body.signatures[0].signature != made:
        raise SignatureRefused("signature in Rekor SET does not match")
    if (body.algorithm, body.content_hash) != ("sha256", hashlib.sha256(signature.content).digest()):
        raise SignatureRefused("payload in Rekor SET does not match")
    return entry.time, body.signatures[0].verifier


def _fulcio_signer(
    signature: Signature, made: bytes, fulcio: FulcioTrust, rekor_keys: Sequence[TrustFile]
) -> CertifiedKey:
    if not rekor_keys:
        raise SignatureRefused("certificates of Fulcio need the public key of a Rekor log")
    keys = load_log_keys(rekor_keys)
    leaf, time = _logged_certificate(signature, made, lambda _: keys)
    return check_fulcio(leaf, _chain(signature), fulcio, time)


def _keyless_signer(signature: Signature, made: bytes, keyless: KeylessTrust) -> CertifiedKey:
    root = TrustedRoot.parse(keyless.trusted_root)
    leaf, time = _logged_certificate(signature, made, root.log_keys_at)
    return check_keyless(leaf, _chain(signature), root, keyless, time)


def _logged_certificate(
    signature: Signature, made: bytes, keys_at: Callable[[datetime], Sequence[PublicKey]]
) -> tuple[Certificate, datetime]:
    """Return the certificate of a signature, which is in the log, too, and the time of the log's entry."""
    text = _annotation(signature, CERTIFICATE_ANNOTATION)
    time, logged = _logged(signature, made, keys_at)
    leaf = load_leaf(text)
    if encode_certificate(leaf) != logged:
        raise SignatureRefused("publicKey in Rekor SET does not match the certificate")
    return leaf, time


def _pki_signer(signature: Signature, pki: PkiTrust, now: datetime) -> CertifiedKey:
    return check_pki(load_leaf(_annotation(signature, CERTIFICATE_ANNOTATION)), _chain(signature), pki, now)


def _chain(signature: Signature) -> tuple[Certificate, ...]:
    return load_intermediates(signature.annotations.get(CHAIN_ANNOTATION, ""))


def _annotation(signature: Signature, name: str) -> str:
    found = signature.annotations.get(name)
    if found is None:
        raise SignatureRefused(f"missing {name} annotation")
    return found
