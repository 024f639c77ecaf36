"""Which signatures a requirement is about, and what is said of those that do not satisfy it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyskopeo.config.policy_identities import ExactReference
from pyskopeo.config.policy_keys import KeyFile, RequirementKeys
from pyskopeo.config.policy_requirements import CertificateChain, Fulcio, SignedBy, SigstoreSigned
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.requirements import judge, may_satisfy
from pyskopeo.signatures.sigstore_trust import SigstoreTrust
from pyskopeo.signatures.verdict import SignedImage
from tests.support.sigstore_authority import NOW
from tests.support.sigstore_cases import MANIFEST, SIGNED, Case, all_cases, trusting
from tests.support.sigstore_signatures import REFERENCE

IMAGE = SignedImage(MANIFEST, "dir:/a")
IDENTITY = ExactReference(REFERENCE)
SIMPLE = Signature("simple", b"\x90\x0d\x03", where="signature-1")


def as_requirement(trust: SigstoreTrust) -> tuple[SigstoreSigned, RequirementKeys]:
    """A requirement with its keys, as they would come from a policy and its files."""
    def file(content: bytes, where: str) -> KeyFile:
        return KeyFile(content, where)

    fulcio = pki = authorities = intermediates = None
    if trust.fulcio is not None:
        authorities = file(trust.fulcio.ca.content, trust.fulcio.ca.where)
        fulcio = Fulcio("/ca", None, trust.fulcio.oidc_issuer, trust.fulcio.subject_email, trust.fulcio.build_signer_uri)
    if trust.pki is not None:
        authorities = file(trust.pki.roots.content, trust.pki.roots.where)
        if trust.pki.intermediates is not None:
            intermediates = file(trust.pki.intermediates.content, trust.pki.intermediates.where)
        pki = CertificateChain("/ca", None, "", None, trust.pki.subject_email, trust.pki.subject_hostname)
    keys = RequirementKeys(
        tuple(file(one.content, one.where) for one in trust.keys), authorities, intermediates,
        tuple(file(one.content, one.where) for one in trust.rekor_keys),
    )  # fmt: skip
    return SigstoreSigned(("/k",), fulcio=fulcio, pki=pki, signed_identity=IDENTITY), keys


ALL = [case for case in all_cases() if may_satisfy(SigstoreSigned(), case.signature)]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_the_trust_of_a_requirement_is_that_of_the_policy(case: Case) -> None:
    requirement, keys = as_requirement(case.trust)
    (verdict,) = judge(requirement, IMAGE, [case.signature], keys, NOW)
    assert verdict.accepted == case.accepted, verdict
    assert case.reason in verdict.reason


def test_only_signatures_of_the_kind_are_judged() -> None:
    right = SIGNED.signature
    others = (SIMPLE, replace(right, media_type="application/vnd.dsse.envelope.v1+json"))
    requirement, keys = as_requirement(trusting(SIGNED.key))
    verdicts = list(judge(requirement, IMAGE, [*others, right], keys, NOW))
    assert [verdict.accepted for verdict in verdicts] == [True]
    bundle = Signature("bundle", b"{}", where="bundle")
    (verdict,) = judge(requirement, IMAGE, [bundle], keys, NOW)
    assert (verdict.accepted, verdict.where, may_satisfy(requirement, bundle)) == (False, "bundle", True)
    gpg = SignedBy("GPGKeys", ("/k",))
    assert not may_satisfy(gpg, bundle)
    assert [may_satisfy(gpg, one) for one in (*others, right)] == [True, False, False]


def test_the_first_that_is_accepted_is_enough() -> None:
    """The others are not even looked at."""
    requirement, keys = as_requirement(trusting(SIGNED.key))
    found = judge(requirement, IMAGE, (SIGNED.signature if first else pytest.fail("read on") for first in (1, 0)), keys, NOW)
    assert next(found).accepted


@pytest.mark.parametrize("kind", ["signedByGPGKeys", "X509Certificates", "signedByX509CAs"])
def test_a_type_of_keys_that_nobody_implements(kind: str) -> None:
    (verdict,) = judge(SignedBy(kind, ("/k",)), IMAGE, [SIMPLE], RequirementKeys(), NOW)
    assert (verdict.accepted, verdict.reason) == (False, f'Unimplemented "keyType" value "{kind}"')
