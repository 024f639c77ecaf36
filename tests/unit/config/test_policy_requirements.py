"""policy.json: what is right, what is wrong and where, and what values come of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyskopeo.config.policy import Policy
from pyskopeo.config.policy_identities import MatchExact, MatchRepoDigestOrExact
from pyskopeo.config.policy_requirements import (
    CertificateChain,
    Fulcio,
    InsecureAcceptAnything,
    Reject,
    SignedBaseLayer,
    SignedBy,
    SigstoreSigned,
)
from pyskopeo.errors import InvalidInput
from tests.support.policies import ACCEPT, BY_PATH, CASES, FULCIO, PKI, REJECT, SIGNED_BY, SIGSTORE, Case, one


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_file(case: Case) -> None:
    if not case.problem:
        assert Policy.parse(case.raw, "/p").where == "/p"
        return
    with pytest.raises(InvalidInput) as caught:
        Policy.parse(case.raw, "/p")
    message = str(caught.value)
    assert message.startswith('invalid policy in "/p": ')
    assert case.problem in message
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 500


def test_the_names_of_the_cases_differ() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) > 150


@pytest.mark.parametrize(
    ("requirement", "value"),
    [
        (ACCEPT[0], InsecureAcceptAnything()),
        (REJECT[0], Reject()),
        (BY_PATH, SignedBy("GPGKeys", ("/k",), None, MatchRepoDigestOrExact())),
        (SIGNED_BY | {"keyPaths": ["/a", "/b"]}, SignedBy("GPGKeys", ("/a", "/b"))),
        (SIGNED_BY | {"keyPaths": []}, SignedBy("GPGKeys")),
        (SIGNED_BY | {"keyData": "YWJj"}, SignedBy("GPGKeys", key_data=b"abc")),
        (BY_PATH | {"keyType": "signedByGPGKeys"}, SignedBy("signedByGPGKeys", ("/k",))),
        ({"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}, SignedBaseLayer(MatchExact())),
        (SIGSTORE | {"keyPath": "/k"}, SigstoreSigned(("/k",))),
        (SIGSTORE | {"keyData": "YWJj"}, SigstoreSigned(key_data=(b"abc",))),
        (SIGSTORE | {"keyDatas": ["YWJj", None]}, SigstoreSigned(key_data=(b"abc", b""))),
        (
            SIGSTORE | {"keyPaths": ["/a", "/b"], "rekorPublicKeyPaths": ["/r", "/s"]},
            SigstoreSigned(("/a", "/b"), rekor_key_paths=("/r", "/s")),
        ),
        (
            SIGSTORE | {"fulcio": FULCIO, "rekorPublicKeyData": "YQ=="},
            SigstoreSigned(fulcio=Fulcio("/ca", None, "https://issuer", "a@b", ""), rekor_key_data=(b"a",)),
        ),
        (
            SIGSTORE
            | {"fulcio": {"caData": "YQ==", "oidcIssuer": "i", "buildSignerURI": "u"}, "rekorPublicKeyDatas": ["Yg=="]},
            SigstoreSigned(fulcio=Fulcio("", b"a", "i", "", "u"), rekor_key_data=(b"b",)),
        ),
        (SIGSTORE | {"pki": PKI}, SigstoreSigned(pki=CertificateChain("/ca", None, "", None, "", "host"))),
        (
            SIGSTORE | {"pki": {"caRootsData": "YQ==", "caIntermediatesData": "Yg==", "subjectEmail": "e"}},
            SigstoreSigned(pki=CertificateChain("", b"a", "", b"b", "e", "")),
        ),
    ],
)
def test_values(requirement: dict[str, Any], value: object) -> None:
    assert one(requirement) == value


def test_keys_are_not_shown() -> None:
    found = one(SIGNED_BY | {"keyData": "c2VjcmV0"})
    assert "secret" not in repr(found)


def test_every_scope_keeps_its_own() -> None:
    transports = {"docker": {"": REJECT, "a.b": ACCEPT + REJECT}, "strange": {"x": ACCEPT}, "dir": {}}
    found = Policy.parse(json.dumps({"default": ACCEPT, "transports": transports}).encode(), "p")
    accept, reject = InsecureAcceptAnything(), Reject()
    assert found == Policy(
        (accept,), {"docker": {"": (reject,), "a.b": (accept, reject)}, "strange": {"x": (accept,)}, "dir": {}}, "p"
    )


def test_a_file_over_the_limit() -> None:
    raw = json.dumps({"default": ACCEPT}).encode()
    with pytest.raises(InvalidInput, match="the file is over the limit of 16777216 bytes"):
        Policy.parse(raw + b" " * 16_777_216, "/p")
