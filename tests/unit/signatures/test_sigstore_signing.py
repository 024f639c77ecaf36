"""Signatures in cosign's tags: each of a table is accepted, or refused for its reason."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from pyskopeo.config.policy_identities import parse_identity
from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.errors import Unsupported
from pyskopeo.signatures.sigstore_signing import verify
from pyskopeo.signatures.sigstore_trust import KeylessTrust, SigstoreTrust
from pyskopeo.signatures.verdict import SignedImage
from tests.support.sigstore_authority import EMAIL, ISSUER, NOW, Authority, new_key, utf8_string
from tests.support.sigstore_bundles import trusted_root
from tests.support.sigstore_cases import (
    FULCIO,
    IDENTITY,
    KEY,
    LOG,
    MANIFEST,
    OTHER,
    PAYLOAD,
    SIGNED,
    Case,
    all_cases,
    by_fulcio,
    by_pki,
    trusting,
)
from tests.support.sigstore_log import TransparencyLog
from tests.support.sigstore_signatures import REFERENCE, Signed, digest_of, keyless

IMAGE = SignedImage(MANIFEST, "dir:/image")
EXACT = parse_identity(IDENTITY, "identity")
GOOD = keyless(FULCIO, LOG, KEY, PAYLOAD)


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_each_signature_of_the_table(case: Case) -> None:
    verdict = verify(case.signature, IMAGE, case.trust, EXACT, NOW)
    assert (verdict.accepted, verdict.reason == "") == (not case.reason, not case.reason), verdict.reason
    assert case.reason in verdict.reason
    assert "\n" not in verdict.reason
    assert (verdict.where, verdict.format) == ("test", "sigstore")


def test_what_is_found_is_said() -> None:
    accepted = verify(SIGNED.signature, IMAGE, trusting(KEY), EXACT, NOW)
    assert (accepted.signer, accepted.identity, accepted.digest) == ("key0.pub", REFERENCE, digest_of(MANIFEST))
    other = SignedImage(b"other", "dir:/image")
    signed = verify(SIGNED.signature, other, trusting(KEY), EXACT, NOW)
    assert (signed.accepted, signed.signer, signed.identity) == (False, "key0.pub", REFERENCE)
    unknown = verify(SIGNED.signature, IMAGE, trusting(OTHER), EXACT, NOW)
    assert (unknown.accepted, unknown.signer, unknown.identity) == (False, "", REFERENCE)


def test_without_an_identity_the_name_does_not_matter() -> None:
    assert verify(SIGNED.signature, IMAGE, trusting(KEY), None, NOW).accepted


def test_nobody_is_trusted() -> None:
    verdict = verify(SIGNED.signature, IMAGE, SigstoreTrust(), None, NOW)
    assert verdict.reason == "neither a key nor an authority is trusted for signatures of this format"


@pytest.mark.parametrize(
    ("trust", "reason"),
    [
        (replace(by_fulcio(), rekor_keys=()), "certificates of Fulcio need the public key of a Rekor log"),
        (by_fulcio(email=""), "neither an email address nor a build signer URI is trusted"),
        (by_pki(), "neither an email address nor a host name is trusted"),
    ],
)
def test_trust_that_is_incomplete(trust: SigstoreTrust, reason: str) -> None:
    """A policy cannot say so; it would mean anybody."""
    assert verify(GOOD.signature, IMAGE, trust, None, NOW).reason == reason


def test_text_that_is_no_unicode() -> None:
    signature = SIGNED.with_annotations({"dev.sigstore.cosign/bundle": "\ud800"}).signature
    assert verify(signature, IMAGE, trusting(KEY, rekor=LOG), None, NOW).reason == "the Rekor SET is not valid Unicode"


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(Unsupported, match="are verified with the package cryptography, which is not installed"):
        verify(SIGNED.signature, IMAGE, trusting(KEY), None, NOW)


def by_root(raw: bytes | None = None, subject: str = EMAIL, issuer: str = ISSUER) -> SigstoreTrust:
    root = KeyFile(trusted_root(FULCIO, LOG) if raw is None else raw, "trusted_root.json")
    return SigstoreTrust(keyless=KeylessTrust(root, subject, issuer))


URI = "https://ci.example/workflow@main"
OTHER_NAME = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), utf8_string("me!example.com"))
STRANGE = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), b"\x0c\x02\xff\xff")
UNKNOWN = x509.OtherName(x509.ObjectIdentifier("1.2.3"), utf8_string("me!example.com"))
LATE, EARLY = NOW + timedelta(days=4000), NOW - timedelta(days=4000)


@pytest.mark.parametrize(
    ("signed", "trust", "reason"),
    [
        (GOOD, by_root(), ""),
        (keyless(FULCIO, LOG, KEY, PAYLOAD, x509.UniformResourceIdentifier(URI)), by_root(subject=URI), ""),
        (keyless(FULCIO, LOG, KEY, PAYLOAD, OTHER_NAME), by_root(subject="me!example.com"), ""),
        (keyless(FULCIO, LOG, KEY, PAYLOAD, STRANGE), by_root(subject="me!example.com"), "Required identity 'me!example.com' not found (got nobody)"),
        (keyless(FULCIO, LOG, KEY, PAYLOAD, UNKNOWN), by_root(subject="me!example.com"), "Required identity"),
        (keyless(FULCIO, LOG, KEY, PAYLOAD, x509.DNSName("host.example")), by_root(subject="host.example"), "Required identity"),
        (GOOD, by_root(subject="x@example.com"), f"Required identity 'x@example.com' not found (got {EMAIL})"),
        (GOOD, by_root(issuer="https://x"), "Unexpected Fulcio OIDC issuer"),
        (GOOD, by_root(trusted_root(Authority("other"), LOG)), "verifying the certificate failed"),
        (GOOD, by_root(trusted_root(FULCIO, TransparencyLog())), "verification of Rekor SET failed"),
        (GOOD, by_root(trusted_root(replace(FULCIO, ct_key=new_key()), LOG)), "timestamp of a log of certificates that is trusted"),
        (keyless(FULCIO, LOG, KEY, PAYLOAD, logged=False), by_root(), "the certificate has no timestamp of a log"),
        (SIGNED, by_root(), "missing dev.sigstore.cosign/certificate annotation"),
        (SIGNED.certified(FULCIO.issue(KEY.public_key())), by_root(), "missing dev.sigstore.cosign/bundle annotation"),
        (SIGNED.certified(FULCIO.issue(KEY.public_key())).logged(LOG, NOW + timedelta(minutes=6)), by_root(), "cert is not valid"),
        (Signed.by(OTHER, PAYLOAD).certified(FULCIO.issue(KEY.public_key())).logged(LOG), by_root(), "has not made the signature"),
        (GOOD, by_root(trusted_root(FULCIO, LOG, logs_until=EARLY)), "verification of Rekor SET failed"),
        (GOOD, by_root(trusted_root(FULCIO, LOG, logs_until=LATE)), ""),
        (GOOD, by_root(trusted_root(FULCIO, LOG, authorities_until=EARLY)), "no authority was trusted at its time"),
        (GOOD, by_root(trusted_root(FULCIO, LOG, certificate_logs_until=EARLY)), "timestamp of a log of certificates that is trusted"),
        (GOOD, by_root(b"{}"), "trusted_root.json is not a trusted root of sigstore: its media type is None"),
    ],
)
def test_keyless_signatures_with_a_trusted_root(signed: Signed, trust: SigstoreTrust, reason: str) -> None:
    verdict = verify(signed.signature, IMAGE, trust, None, NOW)
    assert verdict.accepted is (not reason), verdict.reason
    assert reason in verdict.reason
    if not reason:
        assert trust.keyless is not None
        assert verdict.signer == f"{trust.keyless.certificate_identity} (issuer {ISSUER})"


def test_a_leaf_that_is_trusted_itself() -> None:
    """It has no issuer, whose key the log of certificates would have signed."""
    leaf = FULCIO.issue(KEY.public_key())
    root = trusted_root(FULCIO, LOG, authorities=(leaf,))
    verdict = verify(SIGNED.certified(leaf).logged(LOG).signature, IMAGE, by_root(root), None, NOW)
    assert verdict.reason == "the certificate is an authority of the trusted root, which has no issuer to verify"
