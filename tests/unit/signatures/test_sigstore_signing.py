"""Each signature of the table is accepted, or refused for its reason."""

from __future__ import annotations

import pytest

from pyskopeo.config.policy_identities import parse_identity
from pyskopeo.signatures.sigstore_signing import verify
from pyskopeo.signatures.verdict import SignedImage
from tests.support.sigstore_authority import NOW
from tests.support.sigstore_cases import IDENTITY, MANIFEST, Case, all_cases

IMAGE = SignedImage(MANIFEST, "dir:/image")


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_verdicts(case: Case) -> None:
    verdict = verify(case.signature, IMAGE, case.trust, parse_identity(IDENTITY, "identity"), NOW)
    assert (verdict.accepted, verdict.reason) == (case.accepted, verdict.reason if case.reason else "")
    assert case.reason in verdict.reason
    assert "\n" not in verdict.reason
