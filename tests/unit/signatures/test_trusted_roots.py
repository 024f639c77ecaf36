"""Trusted roots: who was trusted when, and what is refused of a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.signatures.refusals import SignatureRefused
from pyskopeo.signatures.trusted_roots import TrustedRoot
from tests.support.sigstore_authority import NOW, Authority
from tests.support.sigstore_bundles import trusted_root
from tests.support.sigstore_log import TransparencyLog

FULCIO, LOG = Authority(), TransparencyLog()
SECOND = timedelta(seconds=1)


def parse(raw: bytes) -> TrustedRoot:
    return TrustedRoot.parse(KeyFile(raw, "root.json"))


def test_who_is_trusted_when() -> None:
    found = parse(trusted_root(FULCIO, LOG, logs_until=NOW, authorities_until=NOW + SECOND))
    assert found.certificates_at(NOW) == (FULCIO.issuing, FULCIO.root)
    assert found.certificates_at(NOW + SECOND)
    assert found.certificates_at(NOW + 2 * SECOND) == ()
    assert [len(found.log_keys_at(NOW + n * SECOND)) for n in range(2)] == [1, 0]
    assert found.log_keys_at(NOW - timedelta(days=9999)) == ()
    assert [log.log_id.hex() for log in found.logs] == [LOG.log_id]


def test_keys_of_an_unknown_kind_are_passed_over() -> None:
    root = json.loads(trusted_root(FULCIO, LOG))
    unknown = json.loads(trusted_root(FULCIO, LOG))["tlogs"][0]
    unknown["publicKey"] |= {"keyDetails": "ML_DSA_65", "rawBytes": "eA=="}
    root["tlogs"].append(unknown)
    assert [log.log_id.hex() for log in parse(json.dumps(root).encode()).logs] == [LOG.log_id]


@pytest.mark.parametrize("raw", [b"", b"x", b"[]", trusted_root(FULCIO, LOG)[:-1] + b',"tlogs":[]}'])
def test_what_is_no_document(raw: bytes) -> None:
    with pytest.raises(SignatureRefused, match=r"^root\.json "):
        parse(raw)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda root: root.update(mediaType="x"), "its media type is 'x'"),
        (lambda root: root.update(x=1), "Unknown key 'x' in root.json"),
        (lambda root: root.update(tlogs={}), "root.json.tlogs is not a JSON array"),
        (lambda root: root["tlogs"].append(1), "root.json: a log is not a JSON object"),
        (lambda root: root["tlogs"][0]["publicKey"].update(rawBytes="eA=="), "parsing a key of root.json"),
        (lambda root: root["tlogs"][0]["publicKey"].pop("keyDetails"), "root.json.keyDetails is not a string"),
        (lambda root: root["tlogs"][0]["publicKey"].pop("validFor"), "root.json.validFor is not a JSON object"),
        (lambda root: root["tlogs"][0]["publicKey"].update(validFor={}), "root.json: validFor.start is not a string"),
        (lambda root: root["tlogs"][0]["publicKey"].update(validFor={"start": "x"}), "validFor.start is not a time"),
        (lambda root: root["tlogs"][0]["publicKey"].update(validFor={"start": "2026-01-01T00:00:00"}), "validFor.start is not a time"),
        (lambda root: root["certificateAuthorities"][0]["certChain"]["certificates"].append({"rawBytes": "eA=="}), "parsing a certificate of root.json"),
        (lambda root: root["certificateAuthorities"][0].pop("certChain"), "root.json.certChain is not a JSON object"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    root = json.loads(trusted_root(FULCIO, LOG))
    change(root)
    with pytest.raises(SignatureRefused) as caught:
        parse(json.dumps(root).encode())
    assert reason in str(caught.value)
