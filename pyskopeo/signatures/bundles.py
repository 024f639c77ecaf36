"""Signatures in bundles of sigstore, which refer to an image in a registry: as cosign 3 makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..model.digest import Digest
from .bundle_format import Bundle, Envelope
from .bundle_log import check_logged
from .certificate_chains import encode_certificate, parse_certificate
from .json_members import shown
from .public_keys import encode_public_key, is_signed_by, load_log_keys, load_public_key, require_cryptography
from .refusals import SignatureRefused
from .sigstore_annotations import PAYLOAD_TYPE
from .sigstore_payload import SigstorePayload
from .statements import PAYLOAD_TYPE as STATEMENT_TYPE
from .statements import SIGNATURE_PREDICATE, Statement
from .trusted_certificates import check_fulcio, check_pki
from .verdict import Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from ..config.policy_identities import SignedIdentity
    from ..model.signature import Signature
    from .bundle_format import MessageSignature
    from .sigstore_trust import SigstoreTrust
    from .statements import Subject
    from .trusted_certificates import CertifiedKey
    from .verdict import SignedImage


def verify(
    signature: Signature, image: SignedImage, trust: SigstoreTrust, identity: SignedIdentity | None, now: datetime
) -> Verdict:
    """Judge a signature whose format is ``bundle``; ``now`` is in UTC.

    A bundle is a signature of the image if it holds a payload of cosign, or a statement with cosign's predicate for
    signatures, or nothing but a signature of the manifest. Other statements, attestations for instance, are none.
    Without ``identity``, the name of the image that is signed does not matter; with one, a bundle that has no name is
    refused. What is wrong is the reason of the verdict. Raises `Unsupported` without a package that it takes.
    """
    require_cryptography()
    signer, claim = "", _Claim()
    try:
        bundle = Bundle.parse(signature.content)
        claim = _claim_of(bundle, image)
        signer = _signer(signature, bundle, image, trust, now)
        _check(claim, image, identity)
    except SignatureRefused as error:
        return Verdict(False, str(error), signer, claim.reference, claim.digest, signature.where, signature.format)
    return Verdict(True, "", signer, claim.reference, claim.digest, signature.where, signature.format)


@dataclass(frozen=True, slots=True)
class _Claim:
    """Of which manifest a bundle is a signature, and which name it gives to the image; ``problem``: why it is none."""

    digest: str = ""
    reference: str = ""
    problem: str = ""


def _claim_of(bundle: Bundle, image: SignedImage) -> _Claim:
    """Return what a bundle claims, before it is verified; what is malformed is a problem of the claim."""
    content = bundle.content
    if not isinstance(content, Envelope):
        return _compared(_message_digest(content, image), "", image)
    try:
        if content.payload_type == PAYLOAD_TYPE:
            payload = SigstorePayload.parse(content.payload)
            return _compared(payload.digest, payload.reference, image)
        if content.payload_type != STATEMENT_TYPE:
            raise SignatureRefused(f"an envelope of type {shown(content.payload_type)}, which is no signature")
        return _claim_of_statement(Statement.parse(content.payload), image)
    except SignatureRefused as error:
        return _Claim(problem=str(error))


def _claim_of_statement(statement: Statement, image: SignedImage) -> _Claim:
    subject = next((one for one in statement.subjects if _is_about(one, image)), statement.subjects[0])
    digest = next(filter(_is_verifiable, subject.digests), subject.digests[0])
    problem = "" if _is_about(subject, image) else _mismatch(digest)
    if statement.predicate_type != SIGNATURE_PREDICATE:
        problem = f"an attestation of type {shown(statement.predicate_type)}, which is no signature of the image"
    # The name of a repository alone is completed by the digest, which is signed with it.
    is_repository = subject.name and "@" not in subject.name and ":" not in subject.name.rpartition("/")[2]
    return _Claim(digest, f"{subject.name}@{digest}" if is_repository else subject.name, problem)


def _compared(digest: str, reference: str, image: SignedImage) -> _Claim:
    return _Claim(digest, reference, "" if image.has_digest(digest) else _mismatch(digest))


def _mismatch(digest: str) -> str:
    return f"Signature for digest {shown(digest)[1:-1]} does not match"


def _message_digest(content: MessageSignature, image: SignedImage) -> str:
    """Return the digest of what is signed, which is the manifest unless the bundle has the digest of something else."""
    if content.digest and content.digest != hashlib.new(content.algorithm, image.manifest).digest():
        return f"{content.algorithm}:{content.digest.hex()}"
    return str(Digest.of(image.manifest))


def _is_about(subject: Subject, image: SignedImage) -> bool:
    """Return whether all digests of a subject that can be computed are the image's, and there is one."""
    computed = [text for text in subject.digests if _is_verifiable(text)]
    return bool(computed) and all(map(image.has_digest, computed))


def _is_verifiable(text: str) -> bool:
    # Also where the digest itself is malformed: then it is that of no image.
    return text.startswith(("sha256:", "sha384:", "sha512:"))


def _check(claim: _Claim, image: SignedImage, identity: SignedIdentity | None) -> None:
    """Raise `SignatureRefused` unless a bundle that is verified is a signature of the image, and by the right name."""
    if claim.problem:
        raise SignatureRefused(claim.problem)
    if identity is None:
        return
    if not claim.reference:
        raise SignatureRefused(f"the bundle does not say the name of the image, which {identity.type} compares with")
    from .identities import refusal

    if reason := refusal(identity, image.reference, claim.reference):
        raise SignatureRefused(reason)


def _signer(signature: Signature, bundle: Bundle, image: SignedImage, trust: SigstoreTrust, now: datetime) -> str:
    """Return who made the bundle: the file of a key, or the names in a certificate; raises `SignatureRefused`."""
    message = bundle.content.message() if isinstance(bundle.content, Envelope) else image.manifest
    if trust.keys:
        return _signer_by_key(bundle, message, trust)
    if trust.keyless is not None:
        from .keyless_bundles import check_keyless

        return check_keyless(signature.content, bundle, image.manifest, trust.keyless)
    if not bundle.certificates:
        raise SignatureRefused("the bundle is signed by a key, not with a certificate")
    signer = _certified_key(bundle, message, trust, now)
    if not is_signed_by(signer.key, bundle.content.signature, message, hash_of_curve=True):
        raise SignatureRefused(f"the key of the certificate for {signer.called} has not made the signature")
    return signer.called


def _signer_by_key(bundle: Bundle, message: bytes, trust: SigstoreTrust) -> str:
    # All keys are read, so that one that is wrong is noticed before it is needed.
    keys = [(file.where, load_public_key(file)) for file in trust.keys]
    known = _listed([where for where, _ in keys])
    if trust.rekor_keys:
        logged = check_logged(bundle, message, load_log_keys(trust.rekor_keys, edwards=True), timed=False)
        keys = [(where, key) for where, key in keys if encode_public_key(key) == logged.verifier]
        if not keys:
            raise SignatureRefused(f"the key in the log entry is none of {known}")
    for where, key in keys:
        if is_signed_by(key, bundle.content.signature, message, hash_of_curve=True):
            return where
    raise SignatureRefused(f"cryptographic signature verification failed: the signature is not by {known}")


def _certified_key(bundle: Bundle, message: bytes, trust: SigstoreTrust, now: datetime) -> CertifiedKey:
    leaf, *chain = (parse_certificate(one, "a certificate of the bundle") for one in bundle.certificates)
    if trust.pki is not None:
        return check_pki(leaf, chain, trust.pki, now)
    if trust.fulcio is None or not trust.rekor_keys:
        raise SignatureRefused("no authority, with the public key of a log, is trusted for certificates")
    logged = check_logged(bundle, message, load_log_keys(trust.rekor_keys, edwards=True), timed=True)
    if logged.verifier != encode_certificate(leaf) or logged.time is None:
        raise SignatureRefused("the certificate in the log entry is another one")
    return check_fulcio(leaf, chain, trust.fulcio, logged.time)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
