"""What is fuzzed of signatures: messages, payloads and keyrings, with the key that has signed the messages of the corpus."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pyskopeo.config.policy_identities import MatchExact
from pyskopeo.errors import InvalidContent
from pyskopeo.model.reference import Reference
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.openpgp_keys import read_keyrings
from pyskopeo.signatures.openpgp_message import SignedMessage
from pyskopeo.signatures.simple_signing import SimplePayload, verify
from pyskopeo.signatures.verdict import SignedImage

MANIFEST = b'{"schemaVersion":2}'
NAME = "example.com/app:1"
KEY = Path(__file__).parent / "openpgp-key.asc"
NOW = datetime(2100, 1, 1, tzinfo=UTC)


def signed_message(data: bytes) -> None:
    """Whatever is accepted says what was signed; the only payload that was ever signed with the key is of `NAME`."""
    image = SignedImage(MANIFEST, NAME, Reference.parse(NAME))
    verdict = verify(Signature("simple", data), image, [KEY.read_bytes()], MatchExact(), NOW)
    if verdict.accepted:
        payload = SimplePayload.parse(SignedMessage.parse(data).content)
        assert (payload.identity, payload.digest) == (NAME, verdict.digest)
        assert image.has_digest(payload.digest)
    elif verdict.signer:
        raise AssertionError(f"signed, and refused: {verdict.reason}")
    SignedMessage.parse(data)


def payload(data: bytes) -> None:
    """What is read can be written, and read again."""
    found = SimplePayload.parse(data)
    if found.identity:
        assert SimplePayload.parse(found.to_bytes()) == found


def openpgp_keys(data: bytes) -> None:
    """Keys that are read have fingerprints, and are found by them; whether they may sign is a text."""
    for certificate in read_keyrings.__wrapped__((data,)):
        primary = certificate.find(certificate.fingerprint)
        if primary != certificate.primary:
            raise AssertionError(certificate.fingerprint)
        for key in (certificate.primary, *certificate.subkeys):
            fault = certificate.fault(key, NOW)
            if not fault.isprintable():
                raise InvalidContent(fault)
