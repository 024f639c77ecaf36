"""Bundles of sigstore, version 0.3, as cosign 3 attaches them to images, and trusted roots."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pyskopeo.model.signature import Signature
from tests.support.sigstore_authority import NOW, Authority, PrivateKey, der, pem, public_der, public_pem
from tests.support.sigstore_log import ORIGIN, TransparencyLog, dsse, encoded, hashedrekord, hashedrekord_2
from tests.support.sigstore_signatures import sign

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT = "application/vnd.in-toto+json"


def statement(digest: str, name: str | None = None, predicate_type: str = "https://sigstore.dev/cosign/sign/v1") -> bytes:
    """The statement that ``cosign sign`` makes; it gives the image no name."""
    algorithm, _, text = digest.partition(":")
    subject: dict[str, Any] = {"digest": {algorithm: text}} | ({} if name is None else {"name": name})
    return json.dumps(
        {"_type": "https://in-toto.io/Statement/v1", "subject": [subject], "predicateType": predicate_type, "predicate": {}}
    ).encode()


def envelope_message(payload: bytes, payload_type: str = STATEMENT) -> bytes:
    """What is signed of an envelope."""
    return f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode() + payload


@dataclass(frozen=True)
class BundleMaker:
    """A signature of an envelope's payload, or of a message, that becomes a bundle."""

    key: PrivateKey
    payload: bytes
    payload_type: str = STATEMENT
    made: bytes = b""
    certificates: tuple[x509.Certificate, ...] = ()
    entries: tuple[dict[str, Any], ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, key: PrivateKey, payload: bytes, payload_type: str = STATEMENT) -> BundleMaker:
        """Of an envelope; without a type, of ``payload`` itself, which is not in the bundle."""
        message = envelope_message(payload, payload_type) if payload_type else payload
        return cls(key, payload, payload_type, sign(key, message))

    @property
    def message(self) -> bytes:
        return envelope_message(self.payload, self.payload_type) if self.payload_type else self.payload

    def certified(self, *certificates: x509.Certificate) -> BundleMaker:
        return replace(self, certificates=certificates)

    def logged(self, log: TransparencyLog, time: datetime = NOW, *, body: bytes | None = None, **options: Any) -> BundleMaker:
        """With an entry of Rekor, the first version."""
        verifier = pem(self.certificates[0]) if self.certificates else public_pem(self.key)
        if body is None:
            make = dsse if self.payload_type else hashedrekord
            body = make(self.made, verifier, self.payload)
        kind = json.loads(body).get("kind", "")
        return self._with_entry(log.bundle_entry(log.add(body, time), kind, **options))

    def logged_2(self, log: TransparencyLog, time: datetime = NOW) -> BundleMaker:
        """With an entry of the second version of Rekor, which promises no time."""
        own = {"certificate": der(self.certificates[0])} if self.certificates else {"key": public_der(self.key)}
        entry = log.add(hashedrekord_2(self.made, self.message, **own), time)
        return self._with_entry(log.bundle_entry(entry, "hashedrekord", "0.0.2", promised=False))

    def _with_entry(self, entry: dict[str, Any]) -> BundleMaker:
        return replace(self, entries=(*self.entries, entry))

    @property
    def document(self) -> dict[str, Any]:
        material: dict[str, Any] = {"publicKey": {"hint": "key"}}
        if len(self.certificates) == 1:
            material = {"certificate": {"rawBytes": encoded(der(self.certificates[0]))}}
        elif self.certificates:
            material = {"x509CertificateChain": {"certificates": [{"rawBytes": encoded(der(one))} for one in self.certificates]}}
        if self.entries:
            material["tlogEntries"] = list(self.entries)
        content: dict[str, Any] = {"messageSignature": {"signature": encoded(self.made)}}
        if self.payload_type:
            signatures = [{"sig": encoded(self.made)}]
            content = {"dsseEnvelope": {"payload": encoded(self.payload), "payloadType": self.payload_type, "signatures": signatures}}
        return {"mediaType": MEDIA_TYPE, "verificationMaterial": material, **content, **self.more}

    @property
    def signature(self) -> Signature:
        return as_signature(self.document)

    def changed(self, change: Callable[[dict[str, Any]], object]) -> Signature:
        """The bundle after ``change`` of its JSON."""
        document = json.loads(json.dumps(self.document))
        change(document)
        return as_signature(document)


def as_signature(document: object) -> Signature:
    return Signature("bundle", document if isinstance(document, bytes) else json.dumps(document).encode(), where="test")


def trusted_root(
    authority: Authority,
    log: TransparencyLog,
    *,
    authorities: tuple[x509.Certificate, ...] = (),
    authorities_until: datetime | None = None,
    logs_until: datetime | None = None,
    certificate_logs_until: datetime | None = None,
) -> bytes:
    """A ``trusted_root.json`` with one authority, its log of certificates, and one log of signatures."""

    def instance(key: PrivateKey, url: str, end: datetime | None) -> dict[str, Any]:
        details = "PKIX_ECDSA_P256_SHA_256" if isinstance(key, ec.EllipticCurvePrivateKey) else "PKIX_ED25519"
        return {
            "baseUrl": url, "hashAlgorithm": "SHA2_256",
            "publicKey": {"rawBytes": encoded(public_der(key)), "keyDetails": details, "validFor": _period(end)},
            "logId": {"keyId": encoded(hashlib.sha256(public_der(key)).digest())},
        }  # fmt: skip

    chain = [{"rawBytes": encoded(der(one))} for one in authorities or (authority.issuing, authority.root)]
    return json.dumps({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [instance(log.key, f"https://{ORIGIN}", logs_until)],
        "certificateAuthorities": [{
            "subject": {"organization": "example", "commonName": "sigstore"}, "uri": "https://fulcio.example",
            "certChain": {"certificates": chain}, "validFor": _period(authorities_until),
        }],
        "ctlogs": [instance(authority.ct_key, "https://ctfe.example", certificate_logs_until)],
        "timestampAuthorities": [],
    }).encode()  # fmt: skip


def _period(end: datetime | None) -> dict[str, str]:
    times = {"start": NOW - timedelta(days=5000)} | ({} if end is None else {"end": end})
    return {name: time.strftime("%Y-%m-%dT%H:%M:%SZ") for name, time in times.items()}
