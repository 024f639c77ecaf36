"""Whether a certificate is for an identity that is trusted: of Fulcio, or of other authorities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .certificate_chains import certificate_key, check_chain, load_authorities
from .certificate_subjects import (
    build_signer_uri,
    email_addresses,
    is_for_host,
    is_for_identity,
    oidc_issuer,
    subjects,
)
from .certificate_timestamps import check_certificate_timestamp
from .json_members import shown
from .refusals import SignatureRefused

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import Certificate

    from .public_keys import PublicKey
    from .sigstore_trust import FulcioTrust, KeylessTrust, PkiTrust
    from .trusted_roots import TrustedRoot


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """The key of a certificate that is trusted; ``called`` are the names that the certificate is for."""

    key: PublicKey
    called: str


def check_fulcio(leaf: Certificate, chain: Sequence[Certificate], fulcio: FulcioTrust, time: datetime) -> CertifiedKey:
    """Return the key of a certificate by Fulcio that is valid at ``time``, that of the log's entry.

    ``chain`` are the authorities that come with the signature. Raises `SignatureRefused`.
    """
    check_chain(leaf, chain, load_authorities(fulcio.ca), time)
    if (issuer := oidc_issuer(leaf)) != fulcio.oidc_issuer:
        raise SignatureRefused(f"Unexpected Fulcio OIDC issuer {shown(issuer)}")
    if not fulcio.subject_email and not fulcio.build_signer_uri:
        raise SignatureRefused("neither an email address nor a build signer URI is trusted")
    if fulcio.subject_email:
        _check_email(leaf, fulcio.subject_email)
    if fulcio.build_signer_uri and (uri := build_signer_uri(leaf)) != fulcio.build_signer_uri:
        wanted = shown(fulcio.build_signer_uri)
        raise SignatureRefused(f"Required build signer URI {wanted} not found (got {shown(uri)})")
    called = f"{_listed(subjects(leaf))} (issuer {issuer})"
    return CertifiedKey(certificate_key(leaf), called)


def check_keyless(
    leaf: Certificate, chain: Sequence[Certificate], root: TrustedRoot, trust: KeylessTrust, time: datetime
) -> CertifiedKey:
    """Return the key of a certificate by an authority of a trusted root, which a log of certificates has to have seen.

    ``chain`` are the authorities that come with the signature, ``time`` is that of the log's entry. Raises
    `SignatureRefused`.
    """
    issuers = check_chain(leaf, chain, root.certificates_at(time), time)[1:]
    if not issuers:
        raise SignatureRefused("the certificate is an authority of the trusted root, which has no issuer to verify")
    check_certificate_timestamp(leaf, issuers[0], root.certificate_logs)
    if (found := oidc_issuer(leaf)) != trust.oidc_issuer:
        raise SignatureRefused(f"Unexpected Fulcio OIDC issuer {shown(found)}")
    if not is_for_identity(leaf, trust.certificate_identity):
        names = _listed(subjects(leaf))
        raise SignatureRefused(f"Required identity {shown(trust.certificate_identity)} not found (got {names})")
    called = f"{trust.certificate_identity} (issuer {found})"
    return CertifiedKey(certificate_key(leaf), called)


def check_pki(leaf: Certificate, chain: Sequence[Certificate], pki: PkiTrust, now: datetime) -> CertifiedKey:
    """Return the key of a certificate by another authority; raises `SignatureRefused`."""
    below = () if pki.intermediates is None else load_authorities(pki.intermediates)
    check_chain(leaf, (*chain, *below), load_authorities(pki.roots), now)
    if not pki.subject_email and not pki.subject_hostname:
        raise SignatureRefused("neither an email address nor a host name is trusted")
    if pki.subject_email:
        _check_email(leaf, pki.subject_email)
    if pki.subject_hostname and not is_for_host(leaf, pki.subject_hostname):
        raise SignatureRefused(f"Unexpected subject hostname: the certificate is for {_listed(subjects(leaf))}")
    return CertifiedKey(certificate_key(leaf), _listed(subjects(leaf)))


def _check_email(leaf: Certificate, wanted: str) -> None:
    found = email_addresses(leaf)
    if wanted not in found:
        raise SignatureRefused(f"Required email {shown(wanted)} not found (got {_listed(found)})")


def _listed(names: Sequence[str]) -> str:
    return shown(", ".join(names))[1:-1] or "nobody"
