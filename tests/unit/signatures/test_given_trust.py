"""Signatures that are checked by keys, without a policy: which of them are judged how, and for which name."""

from __future__ import annotations

import pytest

from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.errors import InvalidInput
from pyskopeo.model.reference import Reference
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.given_trust import GivenTrust, judge
from pyskopeo.signatures.report import CheckedRequirement
from pyskopeo.signatures.sigstore_trust import KeylessTrust, SigstoreTrust
from pyskopeo.signatures.verdict import SignedImage
from tests.support.keys import private_key
from tests.support.sigstore_authority import EMAIL, ISSUER, NOW, public_pem
from tests.support.sigstore_bundles import BundleMaker, statement, trusted_root
from tests.support.sigstore_cases import FULCIO, KEY, LOG, MANIFEST
from tests.support.sigstore_signatures import REFERENCE, Signed, digest_of, payload_for

DIGEST = digest_of(MANIFEST)
REPOSITORY = REFERENCE.partition(":")[0]
MINE, OTHERS = (KeyFile(public_pem(key), name) for key, name in ((KEY, "mine"), (private_key("P-256", 9), "others")))
SIGNED = Signed.by(KEY, payload_for(DIGEST)).signature
BUNDLE = BundleMaker.of(KEY, statement(DIGEST)).signature
OPENPGP = Signature("simple", b"\x90", where="signature-1")


def checked(
    trust: GivenTrust, *signatures: Signature, name: str | None = REFERENCE, manifest: bytes = MANIFEST
) -> CheckedRequirement:
    reference = None if name is None else Reference.parse(name)
    return judge(trust, SignedImage(manifest, "the image", reference), signatures, NOW)


def given(*keys: KeyFile, signed_as: str = "") -> GivenTrust:
    return GivenTrust.of(keys, signed_as=signed_as)


class TestKeys:
    def test_their_kind_is_in_their_content(self) -> None:
        armored, binary = KeyFile(b"\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "a"), KeyFile(b"\x98\x33", "b")
        found = given(MINE, armored, OTHERS, binary)
        assert found.keyrings == (armored, binary)
        assert found.sigstore == SigstoreTrust((MINE, OTHERS))
        assert given(binary).sigstore is None

    @pytest.mark.parametrize("content", [b"", b" \n", b"ssh-ed25519 AAAA", b"{}", b"30"])
    def test_what_is_none(self, content: bytes) -> None:
        with pytest.raises(InvalidInput, match="x is no key"):
            given(KeyFile(content, "x"))

    @pytest.mark.parametrize("kind", ["ENCRYPTED COSIGN", "ENCRYPTED SIGSTORE", "EC", "PGP", ""])
    def test_a_private_key_is_refused_before_anything_is_read(self, kind: str) -> None:
        label = f"{kind} PRIVATE KEY".strip()
        with pytest.raises(InvalidInput, match="^x is a private key: want the public key"):
            given(KeyFile(f"-----BEGIN {label}-----\n".encode(), "x"))

    @pytest.mark.parametrize("signature", [SIGNED, BUNDLE], ids=["sigstore", "bundle"])
    def test_one_of_them_is_enough(self, signature: Signature) -> None:
        for keys in ((MINE,), (OTHERS, MINE)):
            found = checked(given(*keys), signature)
            assert (found.type, found.accepted, len(found.verdicts)) == ("key", True, 1)
        assert not checked(given(OTHERS), signature).accepted

    def test_one_signature_is_enough(self) -> None:
        other = Signed.by(private_key("P-256", 8), payload_for(DIGEST)).signature
        found = checked(given(MINE), OPENPGP, other, SIGNED)
        assert [one.accepted for one in found.verdicts] == [False, False, True]
        assert found.accepted
        found = checked(given(OTHERS), OPENPGP, other, SIGNED)
        assert found.reason.startswith("None of the signatures were accepted, reasons: ")
        assert len(found.verdicts) == 3

    def test_none_at_all(self) -> None:
        found = checked(given(MINE))
        assert (found.accepted, found.reason) == (False, "A signature was required, but no signature exists")

    def test_signatures_of_another_kind(self) -> None:
        assert "with an OpenPGP key only" in checked(given(MINE), OPENPGP).reason
        keyring = KeyFile(b"\x98\x33", "ring")
        for signature in (SIGNED, BUNDLE):
            assert "with a key or a certificate of sigstore only" in checked(given(keyring), signature).reason


class TestNames:
    """The repository has to be that of the image, or a given one; the tag does not matter, nor for what has no name."""

    @pytest.mark.parametrize("signature", [SIGNED, BUNDLE], ids=["sigstore", "bundle"])
    def test_the_digest_counts_first(self, signature: Signature) -> None:
        found = checked(given(MINE), signature, manifest=MANIFEST + b"\n")
        assert not found.accepted
        assert DIGEST in found.reason

    @pytest.mark.parametrize("name", [REFERENCE, f"{REPOSITORY}:other", f"{REPOSITORY}@{DIGEST}", None])
    def test_accepted(self, name: str | None) -> None:
        assert checked(given(MINE), SIGNED, name=name).accepted

    def test_another_repository(self) -> None:
        found = checked(given(MINE), SIGNED, name="mirror.example/ns/repo:v1")
        assert f'Signature for identity "{REFERENCE}" is not accepted' in found.reason
        assert checked(given(MINE, signed_as=REPOSITORY), SIGNED, name="mirror.example/ns/repo:v1").accepted
        for name in (REFERENCE, None):
            assert not checked(given(MINE, signed_as="mirror.example/ns/repo"), SIGNED, name=name).accepted

    def test_a_bundle_without_a_name(self) -> None:
        for name in (REFERENCE, None):
            assert checked(given(MINE), BUNDLE, name=name).accepted
            assert not checked(given(MINE, signed_as=REPOSITORY), BUNDLE, name=name).accepted

    def test_a_bundle_with_one(self) -> None:
        """It holds cosign's payload, as one that was converted does."""
        kind = "application/vnd.dev.cosign.simplesigning.v1+json"
        bundle = BundleMaker.of(KEY, payload_for(DIGEST), kind).signature
        assert checked(given(MINE), bundle).accepted
        found = checked(given(MINE), bundle, name="mirror.example/ns/repo:v1")
        assert (found.accepted, found.verdicts[0].accepted) == (False, False)
        assert checked(given(MINE, signed_as=REPOSITORY), bundle, name="mirror.example/ns/repo:v1").accepted


def test_certificates() -> None:
    pytest.importorskip("sigstore")
    root = KeyFile(trusted_root(FULCIO, LOG), "trusted_root.json")
    made = BundleMaker.of(KEY, statement(DIGEST)).certified(FULCIO.issue(KEY.public_key())).logged(LOG).signature
    for subject, accepted in ((EMAIL, True), ("other@example.com", False)):
        trust = GivenTrust.of((), SigstoreTrust(keyless=KeylessTrust(root, subject, ISSUER)))
        found = checked(trust, made)
        assert (found.type, found.accepted) == ("certificate", accepted)
        assert OPENPGP.format in str(checked(trust, OPENPGP).verdicts)
