"""The key of a payload's certificate, if that is trusted: by Fulcio, another authority, or a trusted root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .certificate_chains import encode_certificate, load_intermediates, load_leaf
from .logged_payloads import check_logged
from .public_keys import load_log_keys
from .refusals import SignatureRefused
from .sigstore_annotations import CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION, annotation
from .trusted_certificates import check_fulcio, check_keyless, check_pki
from .trusted_roots import TrustedRoot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from ..config.policy_keys import KeyFile
    from ..model.signature import Signature
    from .logged_payloads import KeysAt
    from .sigstore_trust import FulcioTrust, KeylessTrust, PkiTrust, SigstoreTrust
    from .trusted_certificates import CertifiedKey


def certified_key(signature: Signature, made: bytes, trust: SigstoreTrust, now: datetime) -> CertifiedKey:
    """Return the key of the certificate of ``signature``; whether it made the signature is not verified here.

    ``made`` is the signature of the payload, which may have to be in a log. Raises `SignatureRefused`.
    """
    if trust.fulcio is not None:
        return _by_fulcio(signature, made, trust.fulcio, trust.rekor_keys)
    if trust.pki is not None:
        return _by_pki(signature, trust.pki, now)
    if trust.keyless is not None:
        return _by_trusted_root(signature, made, trust.keyless)
    raise SignatureRefused("neither a key nor an authority is trusted for signatures of this format")


def _by_fulcio(signature: Signature, made: bytes, fulcio: FulcioTrust, rekor_keys: Sequence[KeyFile]) -> CertifiedKey:
    if not rekor_keys:
        raise SignatureRefused("certificates of Fulcio need the public key of a Rekor log")
    keys = load_log_keys(rekor_keys)
    leaf, time = _logged_certificate(signature, made, lambda _: keys)
    return check_fulcio(leaf, _chain(signature), fulcio, time)


def _by_pki(signature: Signature, pki: PkiTrust, now: datetime) -> CertifiedKey:
    return check_pki(load_leaf(annotation(signature, CERTIFICATE_ANNOTATION)), _chain(signature), pki, now)


def _by_trusted_root(signature: Signature, made: bytes, keyless: KeylessTrust) -> CertifiedKey:
    root = TrustedRoot.parse(keyless.trusted_root)
    leaf, time = _logged_certificate(signature, made, root.log_keys_at)
    return check_keyless(leaf, _chain(signature), root, keyless, time)


def _logged_certificate(signature: Signature, made: bytes, keys_at: KeysAt) -> tuple[Certificate, datetime]:
    """Return the certificate of a signature, which is in the log, too, and the time of the log's entry."""
    text = annotation(signature, CERTIFICATE_ANNOTATION)
    logged = check_logged(signature, made, keys_at)
    leaf = load_leaf(text)
    if encode_certificate(leaf) != logged.verifier:
        raise SignatureRefused("publicKey in Rekor SET does not match the certificate")
    return leaf, logged.time


def _chain(signature: Signature) -> tuple[Certificate, ...]:
    return load_intermediates(signature.annotations.get(CHAIN_ANNOTATION, ""))
