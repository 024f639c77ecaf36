"""What a simple signature says: read strictly, written as skopeo writes it, and judged by name and digest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyskopeo.config.policy_identities import ExactReference, MatchExact, MatchRepository
from pyskopeo.errors import InvalidContent
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.simple_signing import SimplePayload, verify
from pyskopeo.signatures.verdict import SignedImage
from tests.support.openpgp import Signatory

MANIFEST = b'{"schemaVersion":2}'
DIGEST = str(Digest.of(MANIFEST))
NAME = "example.com/app:1"
IMAGE = SignedImage(MANIFEST, f"docker://{NAME}", Reference.parse(NAME))


def document(**optional: Any) -> dict[str, Any]:
    return {
        "critical": {
            "type": "atomic container signature",
            "image": {"docker-manifest-digest": DIGEST},
            "identity": {"docker-reference": NAME},
        },
        "optional": optional,
    }


def test_it_is_written_as_skopeo_writes_it() -> None:
    assert SimplePayload(NAME, DIGEST, "atomic 5.39.1", 1795976417).to_bytes() == (
        b'{"critical":{"identity":{"docker-reference":"example.com/app:1"},"image":{"docker-manifest-digest":"%s"},'
        b'"type":"atomic container signature"},"optional":{"creator":"atomic 5.39.1","timestamp":1795976417}}'
    ) % DIGEST.encode()


@pytest.mark.parametrize("payload", [SimplePayload(NAME, DIGEST), SimplePayload("é", DIGEST, "c", 0), SimplePayload(NAME, DIGEST, "", -1)])
def test_it_is_read_as_it_was_written(payload: SimplePayload) -> None:
    assert SimplePayload.parse(payload.to_bytes()) == payload


@pytest.mark.parametrize("payload", [SimplePayload("", DIGEST), SimplePayload(NAME, "")])
def test_nothing_is_signed_for_no_image(payload: SimplePayload) -> None:
    with pytest.raises(ValueError, match="Unexpected empty signature content"):
        payload.to_bytes()


@pytest.mark.parametrize(
    ("optional", "creator", "timestamp"),
    [
        ({}, None, None),
        ({"creator": None, "timestamp": None}, "", 0),
        ({"creator": "x", "timestamp": 1.0}, "x", 1),
        ({"timestamp": 1e15}, None, 10**15),
        ({"other": {"a": [1]}}, None, None),
    ],
)
def test_what_is_optional(optional: dict[str, Any], creator: str | None, timestamp: int | None) -> None:
    payload = SimplePayload.parse(json.dumps(document(**optional)).encode())
    assert payload == SimplePayload(NAME, DIGEST, creator, timestamp)


OBJECT = json.dumps(document()).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is empty"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (OBJECT + OBJECT, "not valid JSON"),
        (OBJECT + b" {}", "not valid JSON"),
        (OBJECT.replace(b'"critical"', b'"Critical"'), "the unknown key 'Critical'"),
        (b'{"critical":{}}', "the payload has no optional"),
        (b'{"critical":{},"optional":{}}', "critical of the payload has no type"),
        (b'{"critical":null,"optional":{}}', "critical of the payload is not an object"),
        (OBJECT.replace(b'"type"', b'"type":"x","type"'), "duplicate name 'type'"),
        (OBJECT.replace(b'"critical"', b'"critical":{},"critical"'), "duplicate name 'critical'"),
        (OBJECT.replace(b'"type"', b'"kind":"x","type"'), "critical of the payload has the unknown key 'kind'"),
        (OBJECT.replace(b'"docker-reference"', b'"a":1,"docker-reference"'), "critical.identity of the payload has the unknown key 'a'"),
        (OBJECT.replace(b'"docker-manifest-digest"', b'"a":1,"docker-manifest-digest"'), "critical.image of the payload has the unknown key"),
        (OBJECT.replace(b'"atomic container signature"', b'"Atomic container signature"'), "Unrecognized signature type Atomic"),
        (OBJECT.replace(b'"atomic container signature"', b"null"), "critical.type of the payload is not a text"),
        (OBJECT.replace(b'"example.com/app:1"', b"null"), "docker-reference of the payload is not a text"),
        (OBJECT.replace(DIGEST.encode(), b"sha256:AB"), "docker-manifest-digest of the payload: invalid digest"),
        (OBJECT.replace(DIGEST.encode(), b"../../etc"), "docker-manifest-digest of the payload: invalid digest"),
        (json.dumps(document(creator=0)).encode(), "optional.creator of the payload is not a text"),
        (json.dumps(document(creator=[])).encode(), "optional.creator of the payload is not a text"),
        (json.dumps(document(timestamp=1.5)).encode(), "optional.timestamp of the payload is not a whole number"),
        (json.dumps(document(timestamp="")).encode(), "optional.timestamp of the payload is not a whole number"),
        (json.dumps(document(timestamp=False)).encode(), "optional.timestamp of the payload is not a whole number"),
        (OBJECT.replace(b'"optional": {}', b'"optional": []'), "optional of the payload is not an object"),
        (OBJECT.replace(b'"optional": {}', b'"optional": {"timestamp": 1e999}'), "is not valid JSON"),
    ],
)
def test_what_is_no_payload(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidContent) as caught:
        SimplePayload.parse(raw)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.fixture(scope="module")
def alice() -> Signatory:
    return Signatory("alice")


def now() -> datetime:
    return datetime.now(UTC)


def signed(signatory: Signatory, identity: str = NAME, digest: str = DIGEST) -> Signature:
    return Signature("simple", signatory.sign(SimplePayload(identity, digest).to_bytes()), where="signature-1")


def test_accepted(alice: Signatory) -> None:
    verdict = verify(signed(alice), IMAGE, [alice.public], MatchExact(), now())
    assert (verdict.accepted, verdict.reason) == (True, "")
    assert (verdict.signer, verdict.identity, verdict.digest) == (alice.fingerprint, NAME, DIGEST)
    assert (verdict.where, verdict.format) == ("signature-1", "simple")


def test_a_signature_for_another_image_is_said_to_be_one(alice: Signatory) -> None:
    verdict = verify(signed(alice, "example.com/app:2"), IMAGE, [alice.public], MatchExact(), now())
    assert verdict.reason == (
        'Signature for identity "example.com/app:2" is not accepted: it has to be for example.com/app:1'
    )
    assert (verdict.accepted, verdict.signer, verdict.identity) == (False, alice.fingerprint, "example.com/app:2")
    assert verify(signed(alice, "example.com/app:2"), IMAGE, [alice.public], MatchRepository(), now()).accepted


def test_a_signature_of_another_manifest_is_not_replayed(alice: Signatory) -> None:
    other = SignedImage(b'{"schemaVersion":2} ', IMAGE.name, IMAGE.reference)
    verdict = verify(signed(alice), other, [alice.public], MatchExact(), now())
    assert (verdict.accepted, verdict.reason) == (False, f"Signature for digest {DIGEST} does not match")
    assert (verdict.signer, verdict.digest) == (alice.fingerprint, DIGEST)


def test_the_digest_of_a_simple_signature_is_a_sha256_one(alice: Signatory) -> None:
    signature = signed(alice, digest=str(Digest.of(MANIFEST, "sha512")))
    verdict = verify(signature, IMAGE, [alice.public], MatchExact(), now())
    assert "it has to be for a sha256 digest" in verdict.reason


def test_an_unknown_signer(alice: Signatory) -> None:
    mallory = Signatory("mallory")
    verdict = verify(signed(mallory), IMAGE, [alice.public], MatchExact(), now())
    assert verdict.reason == (
        f"Invalid GPG signature: made by the key {mallory.key}, which is not the key that may sign"
    )
    assert (verdict.accepted, verdict.signer, verdict.identity, verdict.digest) == (False, "", "", "")
    assert verify(signed(mallory), IMAGE, [alice.public, mallory.public], MatchExact(), now()).signer == mallory.fingerprint


def test_an_image_without_a_name_needs_a_given_one(alice: Signatory) -> None:
    image = SignedImage(MANIFEST, "dir:/files")
    assert "the image has no registry reference" in verify(signed(alice), image, [alice.public], MatchExact(), now()).reason
    assert verify(signed(alice), image, [alice.public], ExactReference(NAME), now()).accepted


@pytest.mark.parametrize("kind", ["sigstore", "bundle"])
def test_other_signatures(alice: Signatory, kind: Any) -> None:
    signature = Signature(kind, alice.sign(OBJECT), where="signature-2")
    verdict = verify(signature, IMAGE, [alice.public], MatchExact(), now())
    assert (verdict.accepted, verdict.reason, verdict.where, verdict.format) == (
        False, "not an OpenPGP signature", "signature-2", kind
    )  # fmt: skip


def test_a_signed_text_that_is_no_payload(alice: Signatory) -> None:
    verdict = verify(Signature("simple", alice.sign(b"{}")), IMAGE, [alice.public], MatchExact(), now())
    assert verdict.reason == "Invalid signature: the payload has no critical"
    assert verdict.signer == alice.fingerprint


def test_time_is_given(alice: Signatory) -> None:
    brief = Signatory("brief", days=10)
    signature = signed(brief)
    assert verify(signature, IMAGE, [brief.public], MatchExact(), now() + timedelta(days=9)).accepted
    later = verify(signature, IMAGE, [brief.public], MatchExact(), now() + timedelta(days=11))
    assert (later.accepted, "expired on" in later.reason) == (False, True)
    early = verify(signature, IMAGE, [brief.public], MatchExact(), now() - timedelta(days=1))
    assert (early.accepted, "is not bound to it by a signature that can be verified" in early.reason) == (False, True)
