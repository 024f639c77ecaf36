"""The table of signatures, and the line that says why an image is not accepted."""

from __future__ import annotations

import pytest

from pyskopeo.cli.signature_view import print_signatures, refusal
from pyskopeo.model.digest import Digest
from pyskopeo.model.platform import Platform
from pyskopeo.signatures.report import CheckedManifest, CheckedRequirement, SignatureReport
from pyskopeo.signatures.verdict import Verdict

ONE, TWO = (Digest.parse("sha256:" + digit * 64) for digit in "12")
GOOD = Verdict(accepted=True, signer="ABCDEF", identity="example.com/a:1", format="simple", where="/s/signature-1")
BAD = Verdict(accepted=False, reason="the key \x1b[31mDEF\n is unknown", format="sigstore", where="/s/signature-2")


def report(*requirements: CheckedRequirement) -> SignatureReport:
    platform = Platform("linux", "amd64")
    manifests = (CheckedManifest(ONE, "x", (requirements[0],)), CheckedManifest(TWO, "x", requirements[1:], platform))
    return SignatureReport("docker://example.com/a:1", ONE, manifests[: len(requirements)])


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    accepted = CheckedRequirement("signedBy", verdicts=(GOOD, BAD))
    refused = CheckedRequirement("sigstoreSigned", reason="A signature was required, but no signature exists")
    print_signatures(report(accepted, CheckedRequirement("insecureAcceptAnything"), refused))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["RESULT", "IMAGE", "REQUIREMENT", "FORMAT", "SIGNER", "SIGNED", "AS"],
        ["accepted", str(ONE), "signedBy", "simple", "ABCDEF", "example.com/a:1"],
        ["refused", str(ONE), "signedBy", "sigstore", "-", "-"],
        ["accepted", "linux/amd64", str(TWO), "insecureAcceptAnything", "-", "-", "-"],
        ["refused", "linux/amd64", str(TWO), "sigstoreSigned", "-", "-", "-"],
    ]
    assert lines[5:] == [
        f"{ONE}: /s/signature-2: the key  [31mDEF  is unknown",
        f"linux/amd64 {TWO}: A signature was required, but no signature exists",
    ]


def test_the_reason() -> None:
    good, bad = CheckedRequirement("key", verdicts=(GOOD,)), CheckedRequirement("key", reason=BAD.reason, verdicts=(BAD,))
    said = "docker://example.com/a:1: signatures are not accepted: "
    assert refusal(report(good)) == ""
    assert refusal(report(good, good)) == ""
    assert refusal(report(bad)) == f"{said}the key  [31mDEF  is unknown"
    assert refusal(report(good, good, bad)) == f"{said}1 of 2 manifests: the key  [31mDEF  is unknown"
    assert refusal(SignatureReport("dir:x", ONE, ())) == "dir:x: signatures are not accepted: nothing was checked"
