"""Signatures of sigstore, right and wrong, with who is trusted: for our verification, and for skopeo's to compare with.

All are judged for `MANIFEST` as the image `REFERENCE`, by ``exactReference``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.sigstore_annotations import (
    CERTIFICATE_ANNOTATION,
    CHAIN_ANNOTATION,
    LOG_ENTRY_ANNOTATION,
    SIGNATURE_ANNOTATION,
)
from pyskopeo.signatures.sigstore_trust import FulcioTrust, PkiTrust, SigstoreTrust
from tests.support.images import build
from tests.support.keys import private_key
from tests.support.sigstore_authority import (
    EMAIL,
    ISSUER,
    NOW,
    Authority,
    Issuer,
    PrivateKey,
    certificate,
    fulcio_extensions,
    key_usage,
    new_key,
    pem,
    private_pem,
    public_pem,
    utf8_string,
)
from tests.support.sigstore_log import TransparencyLog, compact, dsse, encoded
from tests.support.sigstore_signatures import REFERENCE, Signed, digest_of, keyless, payload_for

MANIFEST = build("oci").root.raw
IDENTITY = {"type": "exactReference", "dockerReference": REFERENCE}
PAYLOAD = payload_for(digest_of(MANIFEST))
OTHER_DIGEST = digest_of(b"other")
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Case:
    """``reason`` is part of what we say of a wrong one, and "" for a right one. ``skopeo`` is whether it accepts it."""

    name: str
    signature: Signature
    trust: SigstoreTrust
    reason: str = ""
    skopeo: bool = False

    @property
    def accepted(self) -> bool:
        return not self.reason


def case(name: str, signed: Signed | Signature, trust: SigstoreTrust, reason: str = "", *, skopeo: bool | None = None) -> Case:
    found = signed if isinstance(signed, Signature) else signed.signature
    return Case(name, found, trust, reason, (not reason) if skopeo is None else skopeo)


def trusting(*keys: PrivateKey, rekor: TransparencyLog | None = None) -> SigstoreTrust:
    files = tuple(KeyFile(public_pem(key), f"key{number}.pub") for number, key in enumerate(keys))
    return SigstoreTrust(keys=files, rekor_keys=(KeyFile(rekor.public_pem, "rekor.pub"),) if rekor else ())


KEY, OTHER = new_key(), new_key()
LOG = TransparencyLog()
FULCIO = Authority()
SIGNED = Signed.by(KEY, PAYLOAD)
LOGGED = SIGNED.logged(LOG)


def keys() -> Iterator[Case]:
    """Keys of each kind, and files that are none."""
    kinds: dict[str, PrivateKey] = {
        "P-256": KEY, "P-384": private_key("P-384"), "P-521": private_key("P-521"), "RSA": private_key("RSA"),
        "Ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32),
    }  # fmt: skip
    for name, key in kinds.items():
        yield case(f"key {name}", Signed.by(key, PAYLOAD), trusting(key))
    yield case("key P-224", Signed.by(ec.derive_private_key(7, ec.SECP224R1()), PAYLOAD), trusting(ec.derive_private_key(7, ec.SECP224R1())))
    for curve in (ec.SECP256K1(), ec.BrainpoolP256R1()):
        other = ec.derive_private_key(7, curve)
        yield case(f"key {curve.name}", Signed.by(other, PAYLOAD), trusting(other), f"is on the curve {curve.name}, which is not supported")
    short = rsa.generate_private_key(65537, 1024)
    yield case("key of 1024 bits", Signed.by(short, PAYLOAD), trusting(short))
    yield case("second key", SIGNED, trusting(OTHER, KEY))
    yield case("other key", SIGNED, trusting(OTHER), "cryptographic signature verification failed: the signature is not by key0.pub")
    yield case("other kind of key", SIGNED, trusting(kinds["RSA"]), "cryptographic signature verification failed")
    broken = KeyFile(b"nothing", "broken.pub")
    yield case("no key", SIGNED, SigstoreTrust(keys=(broken,)), "the public key broken.pub is not in PEM format")
    both = SigstoreTrust(keys=(*trusting(KEY).keys, broken))
    yield case("a key and a broken one", SIGNED, both, "the public key broken.pub is not in PEM format")
    secret = KeyFile(private_pem(KEY), "secret.key")
    yield case("a private key", SIGNED, SigstoreTrust(keys=(secret,)), "secret.key holds a PRIVATE KEY, not a public key")
    tampered = KeyFile(public_pem(KEY).replace(b"MFkw", b"MFkx"), "tampered.pub")
    yield case("a wrong key", SIGNED, SigstoreTrust(keys=(tampered,)), "parsing the public key tampered.pub")
    more = KeyFile(b"Key:\n" + public_pem(KEY) + b"\ntext\n", "text.pub")
    yield case("text around a key", SIGNED, SigstoreTrust(keys=(more,)))


def forms() -> Iterator[Case]:
    found = SIGNED.signature
    yield case("no signature", replace(found, annotations={}), trusting(KEY), f"missing {SIGNATURE_ANNOTATION} annotation")
    yield case("no base64", SIGNED.with_annotations({SIGNATURE_ANNOTATION: "?"}), trusting(KEY), f"{SIGNATURE_ANNOTATION} is not base64")
    lines = base64.encodebytes(SIGNED.made).decode().replace("\n", "\r\n")
    yield case("signature in lines", SIGNED.with_annotations({SIGNATURE_ANNOTATION: lines}), trusting(KEY))
    yield case("base64 with blanks", SIGNED.with_annotations({SIGNATURE_ANNOTATION: f" {encoded(SIGNED.made)}"}), trusting(KEY), f"{SIGNATURE_ANNOTATION} is not base64")
    yield case("empty signature", SIGNED.with_annotations({SIGNATURE_ANNOTATION: ""}), trusting(KEY), "signature verification failed")
    yield case("tampered signature", replace(SIGNED, made=SIGNED.made[:-1] + bytes([SIGNED.made[-1] ^ 1])), trusting(KEY), "signature verification failed")
    yield case("longer signature", replace(SIGNED, made=SIGNED.made + b"\0"), trusting(KEY), "signature verification failed")
    yield case("another type", replace(found, media_type="application/json"), trusting(KEY), "which is no signature")
    yield case("more annotations", SIGNED.with_annotations({"x": "y"}), trusting(KEY))


_PAYLOADS: dict[str, tuple[bytes, str]] = {
    "another digest": (payload_for(OTHER_DIGEST), f"Signature for digest {OTHER_DIGEST} does not match"),
    "another image": (payload_for(digest_of(MANIFEST), "registry.example/other:v1"), 'Signature for identity "registry.example/other:v1" is not accepted'),
    "another tag": (payload_for(digest_of(MANIFEST), "registry.example/ns/repo:v2"), "is not accepted"),
    "no tag": (payload_for(digest_of(MANIFEST), "registry.example/ns/repo"), "is not accepted"),
    "optional object": (payload_for(digest_of(MANIFEST), optional={"creator": "x", "timestamp": 1700000000, "more": [1]}), ""),
    "optional float": (PAYLOAD.replace(b"null", b'{"timestamp":1e3}'), ""),
    "optional fraction": (PAYLOAD.replace(b"null", b'{"timestamp":1.5}'), "optional.timestamp is not an integer"),
    "optional creator": (PAYLOAD.replace(b"null", b'{"creator":1}'), "optional.creator is not a string"),
    "optional empty": (PAYLOAD.replace(b"null", b"{}"), ""),
    "optional text": (PAYLOAD.replace(b"null", b'{"timestamp":"1"}'), "optional.timestamp is not an integer"),
    "optional array": (PAYLOAD.replace(b"null", b"[]"), "optional is not a JSON object"),
    "optional twice": (PAYLOAD.replace(b"null", b'{"a":1,"a":2}'), "duplicate name"),
    "no optional": (PAYLOAD.replace(b',"optional":null', b""), "Key 'optional' missing in the payload"),
    "more": (PAYLOAD.replace(b'"optional"', b'"other":1,"optional"'), "Unknown key 'other' in the payload"),
    "more critical": (PAYLOAD.replace(b'"type"', b'"other":1,"type"'), "Unknown key 'other' in critical"),
    "more about the image": (PAYLOAD.replace(b'"docker-manifest', b'"other":1,"docker-manifest'), "Unknown key 'other' in critical.image"),
    "more identity": (PAYLOAD.replace(b'"docker-reference"', b'"other":1,"docker-reference"'), "Unknown key 'other' in critical.identity"),
    "another type": (PAYLOAD.replace(b"cosign container", b"atomic container"), "Unrecognized signature type"),
    "no type": (PAYLOAD.replace(b',"type":"cosign container image signature"', b""), "Key 'type' missing in critical"),
    "twice": (PAYLOAD.replace(b'"optional":null', b'"optional":null,"optional":null'), "duplicate name"),
    "critical twice": (PAYLOAD.replace(b'"type"', b'"image":{},"type"'), "duplicate name 'image'"),
    "digest twice": (PAYLOAD.replace(b'"docker-manifest-digest"', b'"docker-manifest-digest":"x","docker-manifest-digest"'), "duplicate name"),
    "other case": (PAYLOAD.replace(b'"critical"', b'"Critical"'), "Unknown key 'Critical'"),
    "no digest": (payload_for("sha256:0"), "docker-manifest-digest: invalid digest"),
    "digest null": (PAYLOAD.replace(f'"{digest_of(MANIFEST)}"'.encode(), b"null"), "docker-manifest-digest: invalid digest"),
    "reference null": (PAYLOAD.replace(f'"{REFERENCE}"'.encode(), b"null"), "docker-reference is not a string"),
    "two documents": (PAYLOAD + PAYLOAD, "the payload is not valid JSON"),
    "more after it": (PAYLOAD + b" x", "the payload is not valid JSON"),
    "white space": (b" " + PAYLOAD + b"\n", ""),
    "no JSON": (b"x", "the payload is not valid JSON"),
    "no object": (b"[]", "the payload is not a JSON object"),
    "critical null": (b'{"critical":null,"optional":null}', "critical is not a JSON object"),
}  # fmt: skip


def payloads() -> Iterator[Case]:
    for name, (content, reason) in _PAYLOADS.items():
        assert content != PAYLOAD
        yield case(f"payload {name}", Signed.by(KEY, content), trusting(KEY), reason)
    yield case("tampered payload", replace(SIGNED, payload=SIGNED.payload + b" "), trusting(KEY), "signature verification failed")


def _set(**changes: object) -> Signed:
    """The annotation of the log with other members."""
    document = json.loads(LOGGED.more[LOG_ENTRY_ANNOTATION])
    document["Payload"] |= changes
    return LOGGED.with_annotations({LOG_ENTRY_ANNOTATION: json.dumps(document)})


def _signed_set(**changes: object) -> Signed:
    """The same, signed by the log."""
    document = json.loads(LOGGED.more[LOG_ENTRY_ANNOTATION])
    document["Payload"] |= changes
    document["SignedEntryTimestamp"] = encoded(LOG.sign(compact(document["Payload"])))
    return LOGGED.with_annotations({LOG_ENTRY_ANNOTATION: json.dumps(document)})


def _body(change: Callable[[dict[str, Any]], None]) -> Signed:
    """Logged with another body."""
    document = json.loads(LOG.entries[0].body)
    change(document)
    return SIGNED.promised(LOG, LOG.add(compact(document)))


def _with_hash(value: str) -> Callable[[dict[str, Any]], None]:
    return lambda body: body["spec"]["data"]["hash"].update(value=value)


def logs() -> Iterator[Case]:
    """Keys whose signatures have to be in a log."""
    trust, text = trusting(KEY, rekor=LOG), LOGGED.more[LOG_ENTRY_ANNOTATION]
    failed = "cryptographic signature verification of Rekor SET failed"
    yield case("logged", LOGGED, trust)
    yield case("logged, not needed", LOGGED, trusting(KEY))
    yield case("logged, second key of two", LOGGED, trusting(OTHER, KEY, rekor=LOG))
    two = (KeyFile(public_pem(OTHER), "a"), KeyFile(LOG.public_pem, "b"))
    yield case("logged, second log", LOGGED, replace(trust, rekor_keys=two))
    yield case("not logged", SIGNED, trust, f"missing {LOG_ENTRY_ANNOTATION} annotation")
    yield case("another log", SIGNED.logged(TransparencyLog()), trust, failed)
    yield case("log of RSA", LOGGED, replace(trust, rekor_keys=(KeyFile(public_pem(private_key("RSA")), "rekor.pub"),)), "Rekor public key rekor.pub is not using ECDSA")
    yield case("log without a key", LOGGED, replace(trust, rekor_keys=(KeyFile(b"", "rekor.pub"),)), "the public key rekor.pub is not in PEM format")
    for name, value in {"integratedTime": 1, "logIndex": 77, "logID": "00", "body": encoded(b"{}")}.items():
        yield case(f"tampered {name}", _set(**{name: value}), trust, failed)
    yield case("more in the entry", _set(other=1), trust, "Unknown key 'other' in Payload")
    yield case("time as text", _signed_set(integratedTime="1"), trust, "Payload.integratedTime is not an integer")
    # skopeo does not look at the time where it trusts a key.
    yield case("time beyond calendars", _signed_set(integratedTime=2**52), trust, "the time of the log entry is out of range", skopeo=True)
    yield case("number too large", _signed_set(logIndex=2**60), trust, "Payload.logIndex is not an integer")
    yield case("body a number", _signed_set(body=1), trust, "body and logID of the Rekor SET are not strings")
    surrogate = LOGGED.with_annotations({LOG_ENTRY_ANNOTATION: text.replace('"logID": "', '"logID": "\\ud800')})
    yield case("log no Unicode", surrogate, trust, "the log entry is not valid Unicode")
    yield case("log entry no JSON", LOGGED.with_annotations({LOG_ENTRY_ANNOTATION: "x"}), trust, "the Rekor SET is not valid JSON")
    yield case("log entry twice", LOGGED.with_annotations({LOG_ENTRY_ANNOTATION: text + text}), trust, "the Rekor SET is not valid JSON")
    yield case("log entry, duplicate", LOGGED.with_annotations({LOG_ENTRY_ANNOTATION: text[:-1] + ', "Payload": {}}'}), trust, "duplicate name 'Payload'")
    document = json.loads(text) | {"SignedEntryTimestamp": 1}
    yield case("promise a number", LOGGED.with_annotations({LOG_ENTRY_ANNOTATION: json.dumps(document)}), trust, "SignedEntryTimestamp is not a string")
    yield case("body no base64", _signed_set(body="?"), trust, "the body of the Rekor SET is not base64")
    yield case("body no JSON", _signed_set(body=encoded(b"x")), trust, "the log entry's body is not valid JSON")
    yield case("entry of another key", SIGNED.logged(LOG, verifier=public_pem(OTHER)), trust, "publicKey in Rekor SET does not match")
    yield case("entry of another signature", SIGNED.logged(LOG, signature=Signed.by(KEY, b"x").made), trust, "signature in Rekor SET does not match")
    yield case("entry of another payload", SIGNED.logged(LOG, message=b"x"), trust, "payload in Rekor SET does not match")
    yield case("entry with text after its key", SIGNED.logged(LOG, verifier=public_pem(KEY) + b"x"), trust, "the public key in the log entry has trailing data")
    yield case("entry without a key", SIGNED.logged(LOG, verifier=b"x"), trust, "the public key in the log entry is not in PEM format")
    yield case("entry of another type", SIGNED.promised(LOG, LOG.add(dsse(SIGNED.made, public_pem(KEY), PAYLOAD))), trust, "type dsse, not hashedrekord")
    yield case("entry of another version", _body(lambda body: body.update(apiVersion="0.0.9")), trust, "version '0.0.9': not supported")
    yield case("entry of another kind", _body(lambda body: body.update(kind="rpm")), trust, "type 'rpm'")
    yield case("entry with a hash that is none", _body(_with_hash("x")), trust, "spec.data.hash.value is not hexadecimal")
    yield case("entry with a short hash", _body(_with_hash("00")), trust, "the log entry has no hash that is supported")
    yield case("entry without a specification", _body(lambda body: body.update(spec={})), trust, "spec.signature is not a JSON object")


def by_fulcio(email: str = EMAIL, issuer: str = ISSUER, ca: bytes = b"", build_signer: str = "") -> SigstoreTrust:
    fulcio = FulcioTrust(KeyFile(ca or FULCIO.root_pem, "fulcio.pem"), issuer, email, build_signer)
    return SigstoreTrust(fulcio=fulcio, rekor_keys=(KeyFile(LOG.public_pem, "rekor.pub"),))


def _issued(*extensions: x509.ExtensionType | tuple[x509.ExtensionType, bool], issuer: Issuer | None = None) -> Signed:
    """Signed with a certificate of exactly these extensions, in the log."""
    times = {"valid_from": NOW - timedelta(minutes=5), "valid_to": NOW + timedelta(minutes=5)}
    found = certificate("leaf", KEY.public_key(), issuer or FULCIO.issuer, extensions=extensions, **times)
    chain = (FULCIO.issuing, FULCIO.root) if issuer is None else (issuer.certificate, FULCIO.issuing, FULCIO.root)
    return SIGNED.certified(found, *chain).logged(LOG)


def _below(*extensions: tuple[x509.ExtensionType, bool], **times: timedelta) -> Issuer:
    """An authority below Fulcio's."""
    when = {"valid_from": NOW - YEAR, "valid_to": NOW + times.get("until", YEAR)}
    return Issuer(certificate("below", OTHER.public_key(), FULCIO.issuer, extensions=extensions, **when), OTHER)


def certificates() -> Iterator[Case]:
    """Certificates of Fulcio."""
    good, trust = keyless(FULCIO, LOG, KEY, PAYLOAD), by_fulcio()
    leaf = good.more[CERTIFICATE_ANNOTATION]
    failed, no_chain = "verifying the certificate failed", "UTC: no authority that is trusted has issued it"
    yield case("keyless", good, trust)
    for name in (CERTIFICATE_ANNOTATION, LOG_ENTRY_ANNOTATION):
        without = {key: value for key, value in good.more.items() if key != name}
        yield case(f"keyless without {name}", replace(good, more=without), trust, f"missing {name} annotation")
    bare = {key: value for key, value in good.more.items() if key != CHAIN_ANNOTATION}
    yield case("keyless without a chain", replace(good, more=bare), trust, no_chain)
    yield case("intermediate is trusted", replace(good, more=bare), by_fulcio(ca=FULCIO.chain_pem))
    yield case("only the intermediate is trusted", replace(good, more=bare), by_fulcio(ca=pem(FULCIO.issuing)))
    yield case("text in the authorities", good, by_fulcio(ca=b"# Root:\n" + FULCIO.root_pem + b"\nEnd\n"))
    yield case("chain of the intermediate alone", good.with_annotations({CHAIN_ANNOTATION: pem(FULCIO.issuing).decode()}), trust, no_chain)
    yield case("chain no PEM", good.with_annotations({CHAIN_ANNOTATION: "x"}), trust, "the certificate chain is not in PEM format")
    yield case("two certificates", good.with_annotations({CERTIFICATE_ANNOTATION: leaf + FULCIO.root_pem.decode()}), trust, "found 2")
    yield case("no certificate", good.with_annotations({CERTIFICATE_ANNOTATION: ""}), trust, "found 0")
    yield case("certificate no PEM", good.with_annotations({CERTIFICATE_ANNOTATION: "x"}), trust, "certificate is not in PEM format")
    yield case("no authorities", good, by_fulcio(ca=b"x"), "fulcio.pem holds no certificate in PEM format")
    yield case("another authority", good, by_fulcio(ca=Authority("other").root_pem), no_chain)
    yield case("another authority of the same name", good, by_fulcio(ca=Authority().root_pem), failed)
    another = SIGNED.certified(FULCIO.issue(OTHER.public_key()), FULCIO.issuing, FULCIO.root)
    yield case("certificate of another key", another.logged(LOG), trust, "has not made the signature")
    yield case("entry of another certificate", good.logged(LOG, verifier=FULCIO.root_pem), trust, "does not match the certificate")
    yield case("entry of a key", good.logged(LOG, verifier=public_pem(KEY)), trust, "does not match the certificate")
    late = SIGNED.certified(FULCIO.issue(KEY.public_key()), FULCIO.issuing, FULCIO.root)
    yield case("signed after the certificate", late.logged(LOG, NOW + timedelta(minutes=6)), trust, failed)
    yield case("signed before the certificate", late.logged(LOG, NOW - timedelta(minutes=6)), trust, failed)
    yield case("another issuer", good, by_fulcio(issuer="https://other"), f"Unexpected Fulcio OIDC issuer '{ISSUER}'")
    yield case("another email", good, by_fulcio(email="x@example.com"), f"Required email 'x@example.com' not found (got {EMAIL})")
    yield case("email of several", keyless(FULCIO, LOG, KEY, PAYLOAD, x509.RFC822Name("a@b"), x509.RFC822Name(EMAIL)), trust)
    yield case("no email", keyless(FULCIO, LOG, KEY, PAYLOAD, x509.UniformResourceIdentifier(EMAIL)), trust, "Required email")
    yield case("not for code", keyless(FULCIO, LOG, KEY, PAYLOAD, extended=[ExtendedKeyUsageOID.SERVER_AUTH]), trust, "is not for the signing of code")
    yield case("for anything", keyless(FULCIO, LOG, KEY, PAYLOAD, extended=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), trust)
    yield case("no extended usage", keyless(FULCIO, LOG, KEY, PAYLOAD, extended=()), trust)
    yield from _issuers(trust)
    yield from _chains(trust)
    workflow = keyless(FULCIO, LOG, KEY, PAYLOAD, x509.UniformResourceIdentifier("https://w/x"), build_signer="https://w/x")
    # Newer than skopeo 1.22, which refuses the policy.
    yield case("build signer", workflow, by_fulcio(email="", build_signer="https://w/x"), skopeo=False)
    yield case("another build signer", workflow, by_fulcio(email="", build_signer="https://w/y"), "Required build signer URI 'https://w/y' not found (got 'https://w/x')")
    yield case("build signer without an email", workflow, by_fulcio(build_signer="https://w/x"), "Required email")


def _issuers(trust: SigstoreTrust) -> Iterator[Case]:
    """Who vouched for the identity, as the certificate says."""
    san = x509.SubjectAlternativeName([x509.RFC822Name(EMAIL)])
    first, second = fulcio_extensions()
    yield case("issuer in the first form", _issued(san, first), trust)
    yield case("issuer in the second form", _issued(san, second), trust)
    yield case("no issuer", _issued(san), trust, "Fulcio certificate is missing the issuer extension")
    yield case("two issuers", _issued(san, first, fulcio_extensions("https://x")[1]), trust, "inconsistent OIDC issuer extension values")
    for name, value in {"no string": b"\x04\x01a", "trailing": utf8_string(ISSUER) + b"\0", "cut": utf8_string(ISSUER)[:-1], "empty": b""}.items():
        wrong = x509.UnrecognizedExtension(second.oid, value)
        yield case(f"issuer with {name}", _issued(san, wrong), trust, "invalid ASN.1 in the certificate's extension")
    yield case("no names", _issued(first), trust, "Required email")
    critical = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    yield case("unknown extension", _issued(san, first, critical), trust)
    yield case("unknown critical extension", _issued(san, first, (critical, True)), trust, "critical extensions")


def _chains(trust: SigstoreTrust) -> Iterator[Case]:
    """Authorities that must not issue."""
    named = (x509.SubjectAlternativeName([x509.RFC822Name(EMAIL)]), fulcio_extensions()[0])
    ca, usage = (x509.BasicConstraints(True, None), True), (key_usage("key_cert_sign"), True)
    failed = "verifying the certificate failed"
    yield case("one authority more", _issued(*named, issuer=_below(ca, usage)), trust)
    yield case("authority without usage", _issued(*named, issuer=_below(ca)), trust)
    yield case("authority that is none", _issued(*named, issuer=_below((x509.BasicConstraints(False, None), True), usage)), trust, failed)
    yield case("authority that says nothing", _issued(*named, issuer=_below(usage)), trust, failed)
    yield case("authority that must not sign", _issued(*named, issuer=_below(ca, (key_usage("digital_signature"), True))), trust, failed)
    yield case("expired authority", _issued(*named, issuer=_below(ca, usage, until=timedelta(seconds=-1))), trust, failed)
    web = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    yield case("authority for the web", _issued(*named, issuer=_below(ca, usage, web)), trust, failed)
    names = (x509.NameConstraints([x509.RFC822Name("other.example")], None), True)
    yield case("authority for others", _issued(*named, issuer=_below(ca, usage, names)), trust, failed)
    names = (x509.NameConstraints([x509.RFC822Name("example.com")], None), True)
    yield case("authority for this name", _issued(*named, issuer=_below(ca, usage, names)), trust)
    last = _below((x509.BasicConstraints(True, 0), True), usage)
    key = private_key("P-384")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    times = {"valid_from": NOW - YEAR, "valid_to": NOW + YEAR}
    below = Issuer(certificate("below that", key.public_key(), last, extensions=(ca, usage), **times), key)
    found = certificate("leaf", KEY.public_key(), below, extensions=named, **times)
    too_long = SIGNED.certified(found, below.certificate, last.certificate, FULCIO.issuing, FULCIO.root).logged(LOG)
    yield case("path too long", too_long, trust, failed)
    older = Authority("RSA", root_key=private_key("RSA"), issuing_key=private_key("RSA", 1))
    yield case("authority of RSA", keyless(older, LOG, KEY, PAYLOAD), by_fulcio(ca=older.root_pem))
    edwards = Authority("Ed25519", root_key=ed25519.Ed25519PrivateKey.from_private_bytes(b"r" * 32))
    # The package cryptography allows no such authorities.
    yield case("authority of Ed25519", keyless(edwards, LOG, KEY, PAYLOAD), by_fulcio(ca=edwards.root_pem), failed, skopeo=True)
    self_signed = certificate("leaf", KEY.public_key(), KEY, extensions=named, **times)
    yield case("self-signed", SIGNED.certified(self_signed).logged(LOG), trust, failed)


def by_pki(email: str = "", host: str = "", *, roots: bytes = b"", intermediates: bytes = b"") -> SigstoreTrust:
    below = KeyFile(intermediates, "below.pem") if intermediates else None
    return SigstoreTrust(pki=PkiTrust(KeyFile(roots or FULCIO.root_pem, "roots.pem"), below, email, host))


def pki() -> Iterator[Case]:
    """Certificates of others: valid now, without a log."""
    start, end = NOW - YEAR, NOW + 9 * YEAR
    names = (x509.RFC822Name(EMAIL), x509.DNSName("host.example"), x509.DNSName("*.wild.example"), x509.IPAddress(ip_address("192.0.2.1")))
    leaf = FULCIO.issue(KEY.public_key(), *names, oidc_issuer="", logged=False, valid_from=start, valid_to=end)
    good, bare = SIGNED.certified(leaf, FULCIO.issuing, FULCIO.root), SIGNED.certified(leaf)
    failed = "verifying the certificate failed"
    yield case("pki by email", good, by_pki(EMAIL))
    yield case("pki by both", good, by_pki(EMAIL, "host.example"))
    for host in ("host.example", "HOST.example", "host.example.", "a.wild.example", "192.0.2.1"):
        yield case(f"pki for {host}", good, by_pki(host=host))
    for host in ("other.example", "a.host.example", "wild.example", "a.b.wild.example", "192.0.2.2", "*.other"):
        yield case(f"pki not for {host}", good, by_pki(host=host), "Unexpected subject hostname")
    yield case("pki, wrong email", good, by_pki("x@example.com"), "Required email 'x@example.com' not found")
    yield case("pki, right email, wrong host", good, by_pki(EMAIL, "other"), "Unexpected subject hostname")
    yield case("pki, intermediate of the policy", bare, by_pki(EMAIL, intermediates=pem(FULCIO.issuing)))
    yield case("pki, no intermediate", bare, by_pki(EMAIL), failed)
    yield case("pki, wrong intermediate", bare, by_pki(EMAIL, intermediates=pem(Authority().issuing)), failed)
    yield case("pki, intermediate no PEM", good, by_pki(EMAIL, intermediates=b"x"), "below.pem holds no certificate")
    yield case("pki, another root", good, by_pki(EMAIL, roots=Authority().root_pem), failed)
    yield case("pki, no certificate", SIGNED, by_pki(EMAIL), f"missing {CERTIFICATE_ANNOTATION} annotation")
    expired = FULCIO.issue(KEY.public_key(), *names, logged=False, valid_from=NOW - YEAR, valid_to=NOW - timedelta(days=1))
    yield case("pki, expired", SIGNED.certified(expired, FULCIO.issuing, FULCIO.root), by_pki(EMAIL), failed)
    other = FULCIO.issue(OTHER.public_key(), *names, logged=False, valid_from=start, valid_to=end)
    yield case("pki, certificate of another key", SIGNED.certified(other, FULCIO.issuing, FULCIO.root), by_pki(EMAIL), "has not made the signature")


@cache
def all_cases() -> tuple[Case, ...]:
    return (*keys(), *forms(), *payloads(), *logs(), *certificates(), *pki())
