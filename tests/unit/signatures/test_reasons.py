"""What is said of signatures that are refused begins with skopeo's words, which scripts look for."""

from __future__ import annotations

import pytest

from pyskopeo.config.policy_identities import MatchExact
from pyskopeo.model.reference import Reference
from pyskopeo.signatures.identities import refusal
from pyskopeo.signatures.reasons import summarize
from pyskopeo.signatures.verdict import Verdict

IMAGE = Reference.parse("example.com/app:1")
OTHER = "example.com/app:2"


def for_another(name: str, where: str = "") -> Verdict:
    return Verdict(False, refusal(MatchExact(), IMAGE, name), "KEY", name, where=where)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([], "A signature was required, but no signature exists"),
        ([Verdict(False, "no")], "no"),
        ([Verdict(False, "no", "KEY", "a.b/c:d", where="signature-1")], "no (signature-1, signed by KEY, for a.b/c:d)"),
        ([Verdict(False, "unknown key KEY", "KEY")], "unknown key KEY"),
        ([Verdict(False, "no"), Verdict(False, "not so")], "None of the signatures were accepted, reasons: no; not so"),
        (
            [Verdict(False, "no"), Verdict(False, "not so", where="signature-2")],
            "None of the signatures were accepted, reasons: no; not so (2: signature-2)",
        ),
    ],
)
def test_what_is_said(verdicts: list[Verdict], said: str) -> None:
    assert summarize(verdicts) == said


def test_signatures_of_other_kinds() -> None:
    assert summarize([], others=2) == "A signature was required, but no signature exists (2 of other kinds)"
    assert summarize([Verdict(False, "no")], others=2) == "no"


def test_a_signature_for_another_image() -> None:
    said = summarize([for_another(OTHER, "signature-1")])
    assert said.startswith(f'Signature for identity "{OTHER}" is not accepted (')
    assert said.endswith(", signature-1, signed by KEY)")


def test_several_for_other_images() -> None:
    """Nothing is between the reasons, in their order."""
    said = summarize([for_another(OTHER), for_another("example.com/b:1", "signature-2")])
    assert said.startswith(
        f'None of the signatures were accepted, reasons: Signature for identity "{OTHER}" is not accepted; '
        'Signature for identity "example.com/b:1" is not accepted (1: '
    )
    assert "; 2: " in said
    assert said.endswith(", signature-2, signed by KEY)")


def test_a_name_cannot_end_its_quotation() -> None:
    said = summarize([for_another('a" is not accepted: b')])
    assert said.startswith('Signature for identity "a\\" is not accepted: b" is not accepted (')
