"""Signatures of sigstore as cosign stores them in tags ``sha256-HEX.sig``: a payload, and annotations of its layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .json_members import decode_base64, shown
from .public_keys import encode_public_key, is_signed_by, load_log_keys, load_public_key, require_cryptography
from .refusals import SignatureRefused
from .sigstore_annotations import PAYLOAD_TYPE, SIGNATURE_ANNOTATION, annotation
from .sigstore_payload import SigstorePayload
from .verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from ..config.policy_identities import SignedIdentity
    from ..model.signature import Signature
    from .sigstore_trust import SigstoreTrust
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
    """Return the name and the digest in a signature that is not verified; both "" if it cannot be read."""
    try:
        payload = SigstorePayload.parse(signature.content)
    except SignatureRefused:
        return "", ""
    return payload.reference, payload.digest


def _signer(signature: Signature, trust: SigstoreTrust, now: datetime) -> str:
    """Return who signed the payload: the file of a key, or the names in a certificate; raises `SignatureRefused`."""
    if signature.media_type != PAYLOAD_TYPE:
        raise SignatureRefused(f"an attachment of type {shown(signature.media_type)}, which is no signature")
    encoded = annotation(signature, SIGNATURE_ANNOTATION)
    made = decode_base64(encoded, f"the annotation {SIGNATURE_ANNOTATION}")
    if trust.keys:
        return _signer_by_key(signature, made, trust)
    # What reads certificates takes longer to import than a key to use.
    from .certified_payloads import certified_key

    signer = certified_key(signature, made, trust, now)
    if not is_signed_by(signer.key, made, signature.content):
        raise SignatureRefused(f"the key of the certificate for {signer.called} has not made the signature")
    return signer.called


def _signer_by_key(signature: Signature, made: bytes, trust: SigstoreTrust) -> str:
    # All keys are read, so that one that is wrong is noticed before it is needed.
    keys = [(file.where, load_public_key(file)) for file in trust.keys]
    if trust.rekor_keys:
        from .logged_payloads import check_logged

        log_keys = load_log_keys(trust.rekor_keys)
        logged = check_logged(signature, made, lambda _: log_keys).verifier
        keys = [(where, key) for where, key in keys if encode_public_key(key) == logged]
        if not keys:
            raise SignatureRefused("publicKey in Rekor SET does not match a key that is trusted")
    for where, key in keys:
        if is_signed_by(key, made, signature.content):
            return where
    known = ", ".join(where for where, _ in keys)
    raise SignatureRefused(f"cryptographic signature verification failed: the signature is not by {known}")
