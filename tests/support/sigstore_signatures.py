"""Signatures of sigstore as cosign stores them in a registry, made with given keys, authorities and logs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.sigstore_annotations import (
    CERTIFICATE_ANNOTATION,
    CHAIN_ANNOTATION,
    LOG_ENTRY_ANNOTATION,
    PAYLOAD_TYPE,
    SIGNATURE_ANNOTATION,
)
from pyskopeo.signatures.sigstore_trust import SigstoreTrust
from tests.support.sigstore_authority import NOW, Authority, PrivateKey, pem, public_pem
from tests.support.sigstore_log import Entry, TransparencyLog, encoded, hashedrekord

REFERENCE = "registry.example/ns/repo:v1"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def payload_for(digest: str, reference: str = REFERENCE, optional: object = None) -> bytes:
    """The payload that cosign signs."""
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": critical, "optional": optional}, separators=(",", ":")).encode()


def sign(key: PrivateKey, message: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(message)


@dataclass(frozen=True)
class Signed:
    """A payload with its signature, to which more can be added."""

    key: PrivateKey
    payload: bytes
    made: bytes
    more: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def by(cls, key: PrivateKey, payload: bytes) -> Signed:
        return cls(key, payload, sign(key, payload))

    def logged(self, log: TransparencyLog, time: datetime = NOW, **changes: Any) -> Signed:
        """With the entry of a log; ``verifier`` (PEM), ``made`` and ``payload`` of it may be others."""
        verifier = self.more.get(CERTIFICATE_ANNOTATION, "").encode() or public_pem(self.key)
        about = {"signature": self.made, "verifier": verifier, "message": self.payload} | changes
        return self.promised(log, log.add(hashedrekord(**about), time))

    def promised(self, log: TransparencyLog, entry: Entry) -> Signed:
        return self.with_annotations({LOG_ENTRY_ANNOTATION: log.annotation(entry)})

    def certified(self, certificate: x509.Certificate, *chain: x509.Certificate) -> Signed:
        """With a certificate, and the authorities above it."""
        found = {CERTIFICATE_ANNOTATION: pem(certificate).decode()}
        return self.with_annotations(found | ({CHAIN_ANNOTATION: pem(*chain).decode()} if chain else {}))

    def with_annotations(self, more: Mapping[str, str]) -> Signed:
        return replace(self, more={**self.more, **more})

    @property
    def signature(self) -> Signature:
        annotations = {SIGNATURE_ANNOTATION: encoded(self.made), **self.more}
        return Signature("sigstore", self.payload, PAYLOAD_TYPE, annotations, "test")


def keyless(authority: Authority, log: TransparencyLog, key: PrivateKey, payload: bytes, *names: x509.GeneralName, **options: Any) -> Signed:
    """A signature by a key with a certificate of ``authority``, in ``log`` since `NOW`."""
    found = Signed.by(key, payload).certified(authority.issue(key.public_key(), *names, **options), authority.issuing, authority.root)
    return found.logged(log)


def requirement(trust: SigstoreTrust, identity: object = None) -> dict[str, Any]:
    """``trust`` as a policy's requirement."""
    found: dict[str, Any] = {"type": "sigstoreSigned"}
    if trust.keys:
        found["keyDatas"] = [_data(one) for one in trust.keys]
    if fulcio := trust.fulcio:
        found["fulcio"] = _given({
            "caData": _data(fulcio.ca), "oidcIssuer": fulcio.oidc_issuer, "subjectEmail": fulcio.subject_email,
            "buildSignerURI": fulcio.build_signer_uri,
        })  # fmt: skip
    if pki := trust.pki:
        found["pki"] = _given({
            "caRootsData": _data(pki.roots), "caIntermediatesData": _data(pki.intermediates) if pki.intermediates else "",
            "subjectEmail": pki.subject_email, "subjectHostname": pki.subject_hostname,
        })  # fmt: skip
    if trust.rekor_keys:
        found["rekorPublicKeyDatas"] = [_data(one) for one in trust.rekor_keys]
    if identity is not None:
        found["signedIdentity"] = identity
    return found


def _data(file: KeyFile) -> str:
    return base64.b64encode(file.content).decode()


def _given(members: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in members.items() if value}
