"""One signature for one manifest, one name and some keys."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.signatures.simple_signing import SimplePayload
from pyskopeo.signatures.standalone import verify_standalone
from pyskopeo.signatures.verdict import SignedImage
from tests.support.openpgp import Signatory

MANIFEST = b'{"schemaVersion":2}'
DIGEST = str(Digest.of(MANIFEST))
NAME = "example.com/app:1"


@pytest.fixture(scope="module")
def alice() -> Signatory:
    return Signatory("alice")


def verify(alice: Signatory, accepted: list[str], identity: str = NAME, digest: str = DIGEST, name: str | None = NAME) -> tuple[str, str]:
    reference = None if name is None else Reference.parse(name, default_tag="")
    image = SignedImage(MANIFEST, name or "", reference)
    message = alice.sign(SimplePayload(identity, digest).to_bytes())
    return verify_standalone(message, image, accepted, [alice.public], datetime.now(UTC))


def test_a_key_is_named_as_it_was_asked_for(alice: Signatory) -> None:
    assert alice.key != alice.fingerprint
    assert verify(alice, [alice.fingerprint]) == (alice.fingerprint, DIGEST)
    assert verify(alice, [alice.key]) == (alice.key, DIGEST)
    assert verify(alice, [alice.fingerprint.lower()]) == (alice.fingerprint, DIGEST)
    assert verify(alice, ["any"]) == (alice.fingerprint, DIGEST)
    assert verify(alice, ["0" * 40, alice.fingerprint]) == (alice.fingerprint, DIGEST)


@pytest.mark.parametrize(("identity", "name"), [("busybox", "docker.io/library/busybox"), ("docker.io/library/a:1", "a:1"), (NAME, NAME)])
def test_names_are_compared_in_full(alice: Signatory, identity: str, name: str) -> None:
    assert verify(alice, ["any"], identity=identity, name=name) == (alice.fingerprint, DIGEST)


@pytest.mark.parametrize("accepted", [[], ["any", "0" * 40], ["0" * 40], [""]])
def test_keys_that_are_not_accepted(alice: Signatory, accepted: list[str]) -> None:
    with pytest.raises(InvalidContent, match=f"^signature by key {alice.key} of {alice.fingerprint} is not accepted$"):
        verify(alice, accepted)


@pytest.mark.parametrize(
    ("identity", "name", "reason"),
    [
        ("example.com/app:2", NAME, 'Docker reference "example.com/app:2" does not match "example.com/app:1"'),
        ("example.com/app", NAME, 'Docker reference "example.com/app" does not match "example.com/app:1"'),
        ("A\n", NAME, r'Invalid docker reference "A\n" in signature'),
        (NAME, None, 'Docker reference "example.com/app:1" does not match ""'),
    ],
)
def test_names_that_do_not_match(alice: Signatory, identity: str, name: str | None, reason: str) -> None:
    with pytest.raises(InvalidContent) as caught:
        verify(alice, ["any"], identity=identity, name=name)
    assert str(caught.value) == reason


@pytest.mark.parametrize("digest", [str(Digest.of(b"")), str(Digest.of(MANIFEST, "sha512"))])
def test_digests_that_do_not_match(alice: Signatory, digest: str) -> None:
    with pytest.raises(InvalidContent, match=f'^Signature for docker digest "{digest}" does not match$'):
        verify(alice, ["any"], digest=digest)
