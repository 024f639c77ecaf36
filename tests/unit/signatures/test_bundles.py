"""Each bundle is accepted, or refused for its reason; as cosign 3 makes them, by keys and by certificates."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pyskopeo.config.policy_identities import SignedIdentity, parse_identity
from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.errors import Unsupported
from pyskopeo.model.reference import Reference
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.bundles import verify
from pyskopeo.signatures.sigstore_annotations import PAYLOAD_TYPE
from pyskopeo.signatures.sigstore_trust import KeylessTrust, SigstoreTrust
from pyskopeo.signatures.verdict import SignedImage
from tests.support.keys import private_key
from tests.support.sigstore_authority import EMAIL, ISSUER, NOW, public_der, public_pem
from tests.support.sigstore_bundles import BundleMaker, as_signature, envelope_message, statement, trusted_root
from tests.support.sigstore_cases import FULCIO, KEY, LOG, MANIFEST, OTHER, YEAR, by_fulcio, by_pki, trusting
from tests.support.sigstore_log import TransparencyLog, dsse, dsse_2, encoded, hashedrekord
from tests.support.sigstore_signatures import REFERENCE, digest_of, payload_for

DIGEST = digest_of(MANIFEST)
STATEMENT = statement(DIGEST)
BY_KEY = BundleMaker.of(KEY, STATEMENT)
LEAF = FULCIO.issue(KEY.public_key())
EDWARDS = TransparencyLog(ed25519.Ed25519PrivateKey.from_private_bytes(b"l" * 32))
for number in range(6):  # so that proofs have several hashes
    LOG.add(b'{"number":%d}' % number)
LOGGED = BY_KEY.logged(LOG)
KEYLESS = BY_KEY.certified(LEAF, FULCIO.issuing, FULCIO.root).logged(LOG)


@dataclass(frozen=True)
class Case:
    """``reason`` is part of what is said of a wrong one, and "" for a right one."""

    name: str
    signature: Signature
    trust: SigstoreTrust
    reason: str = ""


def case(name: str, bundle: BundleMaker | Signature, trust: SigstoreTrust, reason: str = "") -> Case:
    return Case(name, bundle if isinstance(bundle, Signature) else bundle.signature, trust, reason)


def p384(algorithm: hashes.HashAlgorithm) -> BundleMaker:
    key = private_key("P-384")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return replace(BY_KEY, key=key, made=key.sign(envelope_message(STATEMENT), ec.ECDSA(algorithm)))


def keys() -> Iterator[Case]:
    trust = trusting(KEY)
    yield case("by a key", BY_KEY, trust)
    yield case("second key", BY_KEY, trusting(OTHER, KEY))
    yield case("other key", BY_KEY, trusting(OTHER), "the signature is not by key0.pub")
    yield case("RSA", BundleMaker.of(private_key("RSA"), STATEMENT), trusting(private_key("RSA")))
    yield case("hash of the curve", p384(hashes.SHA384()), trusting(private_key("P-384")))
    yield case("SHA-256 with a longer curve", p384(hashes.SHA256()), trusting(private_key("P-384")))
    yield case("another hash", p384(hashes.SHA512()), trusting(private_key("P-384")), "the signature is not by")
    yield case("Ed25519", BundleMaker.of(EDWARDS.key, STATEMENT), trusting(EDWARDS.key))
    yield case("tampered payload", replace(BY_KEY, payload=STATEMENT + b" "), trust, "the signature is not by")
    yield case("tampered type", replace(BY_KEY, payload_type="application/json"), trust, "the signature is not by")
    yield case("without its envelope", replace(BY_KEY, made=KEY.sign(STATEMENT, ec.ECDSA(hashes.SHA256()))), trust, "the signature is not by")
    broken = replace(trust, keys=(*trust.keys, KeyFile(b"", "broken.pub")))
    yield case("a broken key", BY_KEY, broken, "the public key broken.pub is not in PEM format")
    yield case("nobody is trusted", KEYLESS, SigstoreTrust(), "no authority")
    yield case("of the manifest", BundleMaker.of(KEY, MANIFEST, ""), trust)
    yield case("of another manifest", BundleMaker.of(KEY, b"other", ""), trust, "the signature is not by")


def contents() -> Iterator[Case]:
    """What is signed."""
    trust, other = trusting(KEY), digest_of(b"other")

    def signed(payload: bytes, kind: str = "application/vnd.in-toto+json") -> BundleMaker:
        return BundleMaker.of(KEY, payload, kind)

    yield case("payload of cosign", signed(payload_for(DIGEST), PAYLOAD_TYPE), trust)
    yield case("payload for another", signed(payload_for(other), PAYLOAD_TYPE), trust, f"Signature for digest {other} does not match")
    yield case("payload with more", signed(payload_for(DIGEST).replace(b'"type"', b'"x":1,"type"'), PAYLOAD_TYPE), trust, "Unknown key 'x'")
    yield case("another type", signed(b"x", "text/plain"), trust, "an envelope of type 'text/plain', which is no signature")
    yield case("statement for another", signed(statement(other)), trust, f"Signature for digest {other} does not match")
    yield case("an attestation", signed(statement(DIGEST, predicate_type="https://slsa.dev/provenance/v1")), trust, "'https://slsa.dev/provenance/v1', which is no signature")
    yield case("older statement", signed(STATEMENT.replace(b"Statement/v1", b"Statement/v0.1")), trust)
    yield case("newer statement", signed(STATEMENT.replace(b"Statement/v1", b"Statement/v9")), trust, "which is not supported")
    yield case("statement with more", signed(STATEMENT[:-1] + b', "more": 1}'), trust, "Unknown key 'more' in the statement")
    yield case("statement, duplicate", signed(STATEMENT[:-1] + b', "subject": []}'), trust, "duplicate name 'subject'")
    yield case("two statements", signed(STATEMENT + STATEMENT), trust, "the statement is not valid JSON")
    document = json.loads(STATEMENT)
    for name, subjects, reason in (
        ("no subject", [], "the statement has 0 subjects"),
        ("subject without a digest", [{"name": "x"}], "subject.digest is not a JSON object"),
        ("subject with no digest", [{"digest": {}}], "subject.digest is not an object of digests"),
        ("subject with a number", [{"digest": {"sha256": 1}}], "subject.digest is not an object of digests"),
        ("subject with a strange name", [{"digest": {"sha256": "0"}, "name": 1}], "subject.name is not a string"),
        ("subject with a short digest", [{"digest": {"sha256": "0"}}], "Signature for digest sha256:0 does not match"),
        ("subject with another digest", [{"digest": {"gitCommit": "0"}}], "Signature for digest gitCommit:0 does not match"),
        ("second of two subjects", [{"digest": {"sha256": other[7:]}}, {"digest": {"sha256": DIGEST[7:]}}], ""),
        ("two digests", [{"digest": {"sha256": DIGEST[7:], "gitCommit": "0"}}], ""),
        ("two digests, one wrong", [{"digest": {"sha256": DIGEST[7:], "sha512": "0" * 128}}], "does not match"),
    ):
        yield case(name, signed(json.dumps(document | {"subject": subjects}).encode()), trust, reason)


def formats() -> Iterator[Case]:
    """The JSON of a bundle."""
    trust, raw = trusting(KEY), BY_KEY.signature.content
    yield case("another media type", BY_KEY.changed(lambda b: b.update(mediaType="x")), trust, "a bundle of type 'x'")
    yield case("an older version", BY_KEY.changed(lambda b: b.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1")), trust, "want version 0.3")
    yield case("the other name of its version", BY_KEY.changed(lambda b: b.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.3")), trust)
    yield case("no JSON", as_signature(b"x"), trust, "the bundle is not valid JSON")
    yield case("two bundles", as_signature(raw + raw), trust, "the bundle is not valid JSON")
    yield case("duplicate", as_signature(raw[:-1] + b',"mediaType":"x"}'), trust, "duplicate name 'mediaType'")
    yield case("too large", as_signature(b" " * (4 * 1024 * 1024) + raw), trust, "over the limit of 4194304 bytes")
    yield case("more", BY_KEY.changed(lambda b: b.update(more=1)), trust, "Unknown key 'more' in the bundle")
    yield case("more material", BY_KEY.changed(lambda b: b["verificationMaterial"].update(more=1)), trust, "Unknown key 'more' in verificationMaterial")
    yield case("two contents", BY_KEY.changed(lambda b: b.update(messageSignature={})), trust, "exactly one of dsseEnvelope and messageSignature")
    yield case("no content", BY_KEY.changed(lambda b: b.pop("dsseEnvelope")), trust, "exactly one of dsseEnvelope and messageSignature")
    yield case("content null", BY_KEY.changed(lambda b: b.update(messageSignature=None)), trust)
    yield case("no material", BY_KEY.changed(lambda b: b.pop("verificationMaterial")), trust, "the bundle.verificationMaterial is not a JSON object")
    yield case("no key", BY_KEY.changed(lambda b: b["verificationMaterial"].pop("publicKey")), trust, "exactly one of certificate")
    yield case("key and certificate", BY_KEY.changed(lambda b: b["verificationMaterial"].update(certificate={})), trust, "exactly one of certificate")
    yield case("empty chain", BY_KEY.changed(lambda b: b.update(verificationMaterial={"x509CertificateChain": {"certificates": []}})), trust, "the bundle has 0 certificates")
    yield case("certificate broken", BY_KEY.changed(lambda b: b.update(verificationMaterial={"certificate": {"rawBytes": "eA=="}})), by_pki(EMAIL), "parsing a certificate of the bundle")
    yield case("no signature", BY_KEY.changed(lambda b: b["dsseEnvelope"].update(signatures=[])), trust, "the envelope has 0 signatures")
    yield case("two signatures", BY_KEY.changed(lambda b: b["dsseEnvelope"]["signatures"].append({"sig": ""})), trust, "the envelope has 2 signatures")
    yield case("signature with more", BY_KEY.changed(lambda b: b["dsseEnvelope"]["signatures"][0].update(x=1)), trust, "Unknown key 'x' in dsseEnvelope.signatures")
    yield case("payload no base64", BY_KEY.changed(lambda b: b["dsseEnvelope"].update(payload="?")), trust, "dsseEnvelope.payload is not base64")
    yield case("type beyond ASCII", BY_KEY.changed(lambda b: b["dsseEnvelope"].update(payloadType="\u00e4")), trust, "payloadType is not ASCII")
    yield case("signatures no array", BY_KEY.changed(lambda b: b["dsseEnvelope"].update(signatures={})), trust, "dsseEnvelope.signatures is not a JSON array")
    yield case("too many entries", BY_KEY.changed(lambda b: b["verificationMaterial"].update(tlogEntries=[{}] * 9)), trust, "more than 8 log entries")
    plain = BundleMaker.of(KEY, MANIFEST, "")
    right = {"algorithm": "SHA2_256", "digest": encoded(bytes.fromhex(DIGEST[7:]))}
    for name, digest, reason in (
        ("right digest", right, ""),
        ("digest null", None, ""),
        ("another digest", right | {"digest": encoded(b"0" * 32)}, f"Signature for digest sha256:{'30' * 32} does not match"),
        ("digest of another length", right | {"algorithm": "SHA2_512"}, "Signature for digest sha512:"),
        ("unknown digest", right | {"algorithm": "MD5"}, "messageDigest is by 'MD5'"),
        ("digest and more", right | {"x": 1}, "Unknown key 'x' in messageDigest"),
    ):
        yield case(name, replace(plain, more={"messageSignature": {"signature": encoded(plain.made), "messageDigest": digest}}), trust, reason)


def _entry(change: Any) -> Signature:
    return LOGGED.changed(lambda b: change(b["verificationMaterial"]["tlogEntries"][0]))


def logs() -> Iterator[Case]:
    """Bundles that have to be in a log."""
    trust = trusting(KEY, rekor=LOG)
    no_path, no_note = "the inclusion proof does not lead from the log entry", "is not a signed note about a tree"
    yield case("logged", LOGGED, trust)
    yield case("logged, second key", LOGGED, trusting(OTHER, KEY, rekor=LOG))
    yield case("logged, of the manifest", BundleMaker.of(KEY, MANIFEST, "").logged(LOG), trust)
    yield case("logged by Rekor 2", BY_KEY.logged_2(EDWARDS), trusting(KEY, rekor=EDWARDS))
    yield case("logged by Rekor 2, of the manifest", BundleMaker.of(KEY, MANIFEST, "").logged_2(EDWARDS), trusting(KEY, rekor=EDWARDS))
    yield case("log of RSA", LOGGED, replace(trust, rekor_keys=(KeyFile(public_pem(private_key("RSA")), "r.pub"),)), "Rekor public key r.pub is not using ECDSA")
    yield case("not logged", BY_KEY, trust, "the bundle has no log entry")
    yield case("another log", BY_KEY.logged(TransparencyLog()), trust, "the log's checkpoint is not signed by a key of a log that is trusted")
    yield case("the second of two logs", BY_KEY.logged(TransparencyLog()).logged(LOG), trust)
    yield case("no promise", BY_KEY.logged(LOG, promised=False), trust)
    yield case("no proof", BY_KEY.logged(LOG, proven=False), trust, "the log entry has no inclusion proof")
    yield case("tampered body", _entry(lambda e: e.update(canonicalizedBody=encoded(dsse(LOGGED.made, public_pem(KEY), STATEMENT, b"x")))), trust, no_path)
    yield case("body no JSON", _entry(lambda e: e.update(canonicalizedBody="eA==")), trust, "the log entry's body is not valid JSON")
    yield case("another index", _entry(lambda e: e["inclusionProof"].update(logIndex="0")), trust, "the inclusion proof")
    yield case("index beyond the tree", _entry(lambda e: e["inclusionProof"].update(logIndex="999")), trust, "an entry beyond the log's tree")
    yield case("negative index", _entry(lambda e: e["inclusionProof"].update(logIndex="-1")), trust, "inclusionProof.logIndex is not an integer")
    yield case("another root", _entry(lambda e: e["inclusionProof"].update(rootHash=encoded(b"0" * 32))), trust, no_path)
    yield case("another size", _entry(lambda e: e["inclusionProof"].update(treeSize="9999")), trust, "the inclusion proof")
    yield case("a hash less", _entry(lambda e: e["inclusionProof"]["hashes"].pop()), trust, "the inclusion proof")
    yield case("a hash more", _entry(lambda e: e["inclusionProof"]["hashes"].append(encoded(b"0" * 32))), trust, "the inclusion proof has too many hashes")
    yield case("too many hashes", _entry(lambda e: e["inclusionProof"].update(hashes=[encoded(b"0" * 32)] * 100)), trust, "beyond the log's tree")
    yield case("more in the proof", _entry(lambda e: e["inclusionProof"].update(x=1)), trust, "Unknown key 'x' in inclusionProof")
    note = LOGGED.entries[0]["inclusionProof"]["checkpoint"]["envelope"]

    def noted(text: str) -> Signature:
        return _entry(lambda e: e["inclusionProof"]["checkpoint"].update(envelope=text))

    yield case("checkpoint of another tree", noted(LOG.checkpoint()), trust, "about another tree than the inclusion proof")
    yield case("checkpoint tampered", noted(note.replace("rekor.example\n", "other.example\n", 1)), trust, "is not signed by a key")
    yield case("checkpoint without a signature", noted(note.partition("\n\n")[0] + "\n\n"), trust, no_note)
    yield case("checkpoint without an end", noted(note[:-1]), trust, no_note)
    yield case("checkpoint cut", noted(note.partition("\n\n")[0]), trust, no_note)
    yield case("checkpoint of no tree", noted(note.replace("\n", "\nx", 1)), trust, no_note)
    yield case("checkpoint with text", noted(f"{note}text\n"), trust, "the log's checkpoint has a malformed signature")
    yield case("checkpoint with a witness", noted(f"{note}\u2014 witness eHh4eHh4\n"), trust)
    yield case("checkpoint beyond Unicode", noted(note.replace("rekor", "\ud800")), trust, no_note)
    yield case("promise tampered", _entry(lambda e: e.update(integratedTime="1")), trust, "signature verification of Rekor SET failed")
    yield case("promise of another", _entry(lambda e: e["inclusionPromise"].update(signedEntryTimestamp=encoded(b"x"))), trust, "signature verification of Rekor SET failed")
    yield case("another kind", _entry(lambda e: e["kindVersion"].update(kind="hashedrekord")), trust, "of another type than the bundle says")
    yield case("more in the entry", _entry(lambda e: e.update(x=1)), trust, "Unknown key 'x' in tlogEntries")
    yield from _bodies(trust)


def _bodies(trust: SigstoreTrust) -> Iterator[Case]:
    made = BY_KEY.made
    yield case("entry of another key", BY_KEY.logged(LOG, body=dsse(made, public_pem(OTHER), STATEMENT)), trust, "the key in the log entry is none of key0.pub")
    yield case("entry of another signature", BY_KEY.logged(LOG, body=dsse(b"x", public_pem(KEY), STATEMENT)), trust, "the log entry is about another signature")
    yield case("entry of another payload", BY_KEY.logged(LOG, body=dsse(made, public_pem(KEY), b"x")), trust, "the log entry is about other content")
    yield case("entry of the message", BY_KEY.logged(LOG, body=hashedrekord(made, public_pem(KEY), BY_KEY.message)), trust)
    plain = BundleMaker.of(KEY, MANIFEST, "")
    yield case("entry of an envelope", plain.logged(LOG, body=dsse(plain.made, public_pem(KEY), MANIFEST)), trust, "about an envelope, which the bundle has not")
    two = json.loads(dsse(made, public_pem(KEY), STATEMENT))
    two["spec"]["signatures"] *= 2
    yield case("entry of two signatures", BY_KEY.logged(LOG, body=json.dumps(two).encode()), trust, "the log entry is about another signature")
    strange = json.loads(dsse(made, public_pem(KEY), STATEMENT))
    strange["spec"]["payloadHash"] = {"algorithm": "md5", "value": "00"}
    yield case("entry of another hash", BY_KEY.logged(LOG, body=json.dumps(strange).encode()), trust, "no hash that is supported: 'md5'")
    key_2 = BundleMaker.of(EDWARDS.key, STATEMENT)
    yield case("dsse of Rekor 2", key_2.logged(LOG, body=dsse_2(key_2.made, STATEMENT, key=public_der(EDWARDS.key)), version="0.0.2"), trusting(EDWARDS.key, rekor=LOG))
    unknown = json.dumps({"kind": "intoto", "apiVersion": "0.0.2", "spec": {}}).encode()
    yield case("entry of another type", BY_KEY.logged(LOG, body=unknown), trust, "of type 'intoto', version '0.0.2': not supported")


def certificates() -> Iterator[Case]:
    """Certificates of an own authority, with the key of an own log."""
    trust = by_fulcio()
    yield case("keyless", KEYLESS, trust)
    yield case("keyless, authorities are trusted", BY_KEY.certified(LEAF).logged(LOG), by_fulcio(ca=FULCIO.chain_pem))
    yield case("keyless, no chain", BY_KEY.certified(LEAF).logged(LOG), trust, "no authority that is trusted has issued it")
    yield case("keyless, another email", KEYLESS, by_fulcio("x@example.com"), "Required email 'x@example.com' not found")
    yield case("keyless, another issuer", KEYLESS, by_fulcio(issuer="https://x"), "Unexpected Fulcio OIDC issuer")
    yield case("keyless, not logged", BY_KEY.certified(LEAF), trust, "the bundle has no log entry")
    yield case("keyless, logs are not trusted", KEYLESS, replace(trust, rekor_keys=()), "no authority, with the public key of a log")
    yield case("keyless, no time", KEYLESS.certified(LEAF, FULCIO.issuing, FULCIO.root), trust)
    untimed = BY_KEY.certified(LEAF, FULCIO.issuing, FULCIO.root).logged(LOG, promised=False)
    yield case("keyless, without a promise", untimed, trust, "the log has not promised a time")
    late = BY_KEY.certified(LEAF, FULCIO.issuing, FULCIO.root).logged(LOG, NOW + timedelta(minutes=6))
    yield case("keyless, after the certificate", late, trust, "UTC: cert is not valid")
    of_key = dsse(BY_KEY.made, public_pem(KEY), STATEMENT)
    yield case("keyless, entry of the key", replace(KEYLESS, entries=()).logged(LOG, body=of_key), trust, "the certificate in the log entry is another one")
    other = BY_KEY.certified(FULCIO.issue(OTHER.public_key()), FULCIO.issuing, FULCIO.root).logged(LOG)
    yield case("keyless, certificate of another key", other, trust, "has not made the signature")
    yield case("keyless, by a key", LOGGED, trust, "the bundle is signed by a key, not with a certificate")
    lasting = FULCIO.issue(KEY.public_key(), valid_from=NOW - YEAR, valid_to=NOW + YEAR)
    yield case("pki", BY_KEY.certified(lasting, FULCIO.issuing, FULCIO.root), by_pki(EMAIL))
    yield case("pki, another email", BY_KEY.certified(lasting, FULCIO.issuing, FULCIO.root), by_pki("x@example.com"), "Required email")
    old = FULCIO.issue(KEY.public_key(), valid_from=NOW - YEAR, valid_to=NOW - timedelta(days=1))
    yield case("pki, expired", BY_KEY.certified(old, FULCIO.issuing, FULCIO.root), by_pki(EMAIL), "verifying the certificate failed")


CASES = (*keys(), *contents(), *formats(), *logs(), *certificates())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_bundle_of_the_table(case: Case) -> None:
    verdict = verify(case.signature, SignedImage(MANIFEST, "oci:image"), case.trust, None, NOW)
    assert (verdict.accepted, verdict.reason == "") == (not case.reason, not case.reason), verdict.reason
    assert case.reason in verdict.reason
    assert "\n" not in verdict.reason
    assert (verdict.where, verdict.format) == ("test", "bundle")


IMAGE = SignedImage(MANIFEST, f"docker://{REFERENCE}", Reference.parse(REFERENCE))


def identity(kind: str, **more: str) -> SignedIdentity:
    return parse_identity({"type": kind, **more}, "identity")


REPOSITORY = REFERENCE.partition(":")[0]
EXACT = identity("exactReference", dockerReference=REFERENCE)


@pytest.mark.parametrize(
    ("name", "wanted", "reason"),
    [
        (REFERENCE, EXACT, ""),
        (REFERENCE, identity("matchRepoDigestOrExact"), ""),
        (REPOSITORY, identity("matchRepository"), ""),
        (REPOSITORY, identity("exactRepository", dockerRepository=REPOSITORY), ""),
        # Which tag was meant is not signed.
        (REPOSITORY, EXACT, "is not accepted"),
        (REPOSITORY, identity("matchRepoDigestOrExact"), "is not accepted"),
        ("registry.example/other", identity("matchRepository"), "is not accepted"),
        ("not a name", identity("matchRepository"), "is not accepted"),
        (None, identity("matchRepository"), "the bundle does not say the name of the image, which matchRepository compares with"),
        ("", EXACT, "the bundle does not say the name of the image"),
    ],
)
def test_names_in_bundles(name: str | None, wanted: SignedIdentity, reason: str) -> None:
    bundle = BundleMaker.of(KEY, statement(DIGEST, name)).signature
    verdict = verify(bundle, IMAGE, trusting(KEY), wanted, NOW)
    assert verdict.accepted is (not reason), verdict.reason
    assert reason in verdict.reason
    assert (verdict.signer, verdict.digest) == ("key0.pub", DIGEST)


def test_a_repository_by_digest() -> None:
    image = SignedImage(MANIFEST, "", Reference.parse(f"{REPOSITORY}@{DIGEST}"))
    bundle = BundleMaker.of(KEY, statement(DIGEST, REPOSITORY)).signature
    assert verify(bundle, image, trusting(KEY), identity("matchRepoDigestOrExact"), NOW).accepted


def test_a_payload_has_a_name() -> None:
    bundle = BundleMaker.of(KEY, payload_for(DIGEST), PAYLOAD_TYPE).signature
    verdict = verify(bundle, IMAGE, trusting(KEY), EXACT, NOW)
    assert (verdict.accepted, verdict.identity) == (True, REFERENCE)


def test_the_manifest_alone_has_none() -> None:
    verdict = verify(BundleMaker.of(KEY, MANIFEST, "").signature, IMAGE, trusting(KEY), EXACT, NOW)
    assert verdict.reason == "the bundle does not say the name of the image, which exactReference compares with"


def test_what_is_refused_still_says_what_it_claims() -> None:
    verdict = verify(BundleMaker.of(KEY, statement(DIGEST, REFERENCE)).signature, IMAGE, trusting(OTHER), EXACT, NOW)
    assert (verdict.accepted, verdict.signer, verdict.identity, verdict.digest) == (False, "", REFERENCE, DIGEST)


def by_root(raw: bytes | None = None, subject: str = EMAIL, issuer: str = ISSUER) -> SigstoreTrust:
    root = KeyFile(trusted_root(FULCIO, LOG) if raw is None else raw, "trusted_root.json")
    return SigstoreTrust(keyless=KeylessTrust(root, subject, issuer))


# As sigstore's services make them: one certificate, whose authorities are in the trusted root.
SERVED = BY_KEY.certified(LEAF).logged(LOG)
URI = "https://ci.example/workflow@main"
WORKFLOW = FULCIO.issue(KEY.public_key(), x509.UniformResourceIdentifier(URI))


@pytest.mark.parametrize(
    ("bundle", "trust", "reason"),
    [
        (SERVED, by_root(), ""),
        (BundleMaker.of(KEY, MANIFEST, "").certified(LEAF).logged(LOG), by_root(), ""),
        (BY_KEY.certified(WORKFLOW).logged(LOG), by_root(subject=URI), ""),
        (SERVED, by_root(subject="x@example.com"), "SANs do not match x@example.com"),
        (SERVED, by_root(issuer="https://x"), "Unexpected Fulcio OIDC issuer"),
        (SERVED, by_root(trusted_root(FULCIO, TransparencyLog())), "invalid log entry"),
        (SERVED, by_root(trusted_root(replace(FULCIO, ct_key=OTHER), LOG)), "SCT"),
        (SERVED, by_root(b"{}"), "trusted_root.json is not a trusted root of sigstore"),
        (SERVED, by_root(b"x"), "trusted_root.json is not valid JSON"),
        (BY_KEY.certified(FULCIO.issue(KEY.public_key(), logged=False)).logged(LOG), by_root(), "SCT"),
        (BY_KEY.certified(LEAF).logged(LOG, NOW + timedelta(minutes=6)), by_root(), "cert is not valid at validation time"),
        (BY_KEY.certified(LEAF).logged(LOG, promised=False), by_root(), "must contain an inclusion promise or signed timestamp"),
        (BY_KEY.certified(LEAF), by_root(), "verificationMaterial.tlogEntries Field required"),
        (replace(SERVED, payload=statement(DIGEST, "x")), by_root(), "invalid signature"),
        (BundleMaker.of(KEY, b"other", "").certified(LEAF).logged(LOG), by_root(), "Signature is invalid for input"),
        (BundleMaker.of(KEY, statement(digest_of(b"x"))).certified(LEAF).logged(LOG), by_root(), "does not match"),
        (BY_KEY.certified(FULCIO.issue(OTHER.public_key())).logged(LOG), by_root(), "invalid signature"),
        (LOGGED, by_root(), "the bundle is signed by a key, not with a certificate"),
    ],
)
def test_keyless_with_a_trusted_root(bundle: BundleMaker, trust: SigstoreTrust, reason: str) -> None:
    pytest.importorskip("sigstore")
    verdict = verify(bundle.signature, IMAGE, trust, None, NOW)
    assert verdict.accepted is (not reason), verdict.reason
    assert reason in verdict.reason
    assert "\n" not in verdict.reason
    if not reason:
        assert trust.keyless is not None
        assert verdict.signer == f"{trust.keyless.certificate_identity} (issuer {ISSUER})"


def test_keyless_verification_connects_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert verify(SERVED.signature, IMAGE, by_root(), None, NOW).accepted


def test_what_the_package_verified_is_what_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = pytest.importorskip("sigstore.verify").Verifier
    monkeypatch.setattr(verifier, "verify_dsse", lambda *_: ("application/vnd.in-toto+json", b"{}"))
    verdict = verify(SERVED.signature, IMAGE, by_root(), None, NOW)
    assert verdict.reason == "the package sigstore has verified another payload than the bundle's"


@pytest.mark.parametrize(
    ("package", "bundle", "trust", "reason"),
    [
        ("sigstore", SERVED, by_root(), r"bundles with certificates need the package sigstore: pip install 'pyskopeo\[sigstore\]'"),
        ("cryptography", BY_KEY, trusting(KEY), "signatures of sigstore are verified with the package cryptography, which is not installed"),
    ],
)
def test_a_package_that_is_missing(
    package: str, bundle: BundleMaker, trust: SigstoreTrust, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Unsupported, match=reason):
        verify(bundle.signature, IMAGE, trust, None, NOW)


def test_keys_need_no_package_of_sigstore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sigstore", None)
    assert verify(LOGGED.signature, IMAGE, trusting(KEY, rekor=LOG), None, NOW).accepted
    assert verify(KEYLESS.signature, IMAGE, by_fulcio(), None, NOW).accepted
