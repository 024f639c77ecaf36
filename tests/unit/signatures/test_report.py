"""When an image is accepted, and what the JSON says of it."""

from __future__ import annotations

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.model.platform import Platform
from pyskopeo.signatures.report import CheckedManifest, CheckedRequirement, SignatureReport
from pyskopeo.signatures.verdict import Verdict

DIGEST = Digest.parse("sha256:" + "0" * 64)
GOOD = CheckedRequirement("signedBy", "default[0] in /p", verdicts=(Verdict(accepted=True, signer="ABC"),))
BAD = CheckedRequirement("reject", "default[1] in /p", "rejected by policy")


def manifest(*requirements: CheckedRequirement) -> CheckedManifest:
    return CheckedManifest(DIGEST, "application/x", requirements, Platform("linux", "arm64", "v8"))


@pytest.mark.parametrize(
    ("requirements", "accepted", "reason"),
    [([GOOD], True, ""), ([GOOD, GOOD], True, ""), ([GOOD, BAD], False, BAD.reason), ([BAD], False, BAD.reason), ([], False, "")],
)
def test_every_requirement_counts(requirements: list[CheckedRequirement], accepted: bool, reason: str) -> None:
    found = manifest(*requirements)
    assert (found.accepted, found.reason) == (accepted, reason)
    assert SignatureReport("dir:x", DIGEST, (found,)).accepted is accepted
    assert not SignatureReport("dir:x", DIGEST, (manifest(GOOD), found, manifest(BAD))).accepted


def test_nothing_checked_is_not_accepted() -> None:
    assert not SignatureReport("dir:x", DIGEST, ()).accepted


def test_json() -> None:
    verdict = Verdict(
        accepted=False, reason="another key", signer="key 1", identity="example.com/a:1", digest="sha256:x", where="w", format="simple"
    )
    requirement = CheckedRequirement("signedBy", "default[0]", "another key", (verdict,))
    report = SignatureReport("docker://example.com/a:1", DIGEST, (manifest(requirement),), "/etc/policy.json")
    assert report.to_json() == {
        "name": "docker://example.com/a:1",
        "digest": str(DIGEST),
        "accepted": False,
        "policy": "/etc/policy.json",
        "manifests": [
            {
                "digest": str(DIGEST),
                "mediaType": "application/x",
                "platform": "linux/arm64/v8",
                "accepted": False,
                "requirements": [
                    {
                        "type": "signedBy",
                        "where": "default[0]",
                        "accepted": False,
                        "reason": "another key",
                        "signatures": [
                            {
                                "accepted": False,
                                "reason": "another key",
                                "format": "simple",
                                "signer": "key 1",
                                "identity": "example.com/a:1",
                                "digest": "sha256:x",
                                "where": "w",
                            }
                        ],
                    }
                ],
            }
        ],
    }
