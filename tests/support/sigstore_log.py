"""A transparency log as Rekor is one: entries, promises, inclusion proofs; nothing here uses a network or a clock."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.support.sigstore_authority import NOW, new_key, public_der, public_pem

ORIGIN = "rekor.example"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def compact(document: object) -> bytes:
    """Canonical JSON (RFC 8785) of documents with integers and text alone."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hashedrekord(signature: bytes, verifier: bytes, message: bytes) -> bytes:
    """The body of an entry for a signature; ``verifier`` is the key or the certificate in PEM."""
    return compact({
        "apiVersion": "0.0.1", "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(message).hexdigest()}},
            "signature": {"content": encoded(signature), "publicKey": {"content": encoded(verifier)}},
        },
    })  # fmt: skip


def dsse(signature: bytes, verifier: bytes, payload: bytes, envelope: bytes = b"{}") -> bytes:
    """The body of an entry for a DSSE envelope."""
    return compact({
        "apiVersion": "0.0.1", "kind": "dsse",
        "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(envelope).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": encoded(signature), "verifier": encoded(verifier)}],
        },
    })  # fmt: skip


def hashedrekord_2(signature: bytes, message: bytes, *, key: bytes = b"", certificate: bytes = b"") -> bytes:
    """The body of an entry of Rekor's second version; the key or certificate is in DER."""
    holder = {"x509Certificate": {"rawBytes": encoded(certificate)}} if certificate else {"publicKey": {"rawBytes": encoded(key)}}
    return compact({
        "apiVersion": "0.0.2", "kind": "hashedrekord",
        "spec": {"hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": encoded(hashlib.sha256(message).digest())},
            "signature": {"content": encoded(signature), "verifier": {**holder, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}},
        }},
    })  # fmt: skip


def dsse_2(signature: bytes, payload: bytes, *, key: bytes) -> bytes:
    """The body of an entry for a DSSE envelope, of Rekor's second version."""
    verifier = {"publicKey": {"rawBytes": encoded(key)}, "keyDetails": "PKIX_ED25519"}
    return compact({
        "apiVersion": "0.0.2", "kind": "dsse",
        "spec": {"dsseV002": {
            "payloadHash": {"algorithm": "SHA2_256", "digest": encoded(hashlib.sha256(payload).digest())},
            "signatures": [{"content": encoded(signature), "verifier": verifier}],
        }},
    })  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """An entry, as it was added at ``index`` and ``time``, in seconds since 1970."""

    body: bytes
    index: int
    time: int


@dataclass
class TransparencyLog:
    """A log, whose tree is that of RFC 6962, section 2.1."""

    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = field(default_factory=new_key)
    entries: list[Entry] = field(default_factory=list)

    @property
    def public_pem(self) -> bytes:
        return public_pem(self.key)

    @property
    def log_id(self) -> str:
        """The identifier of the log, in hexadecimal."""
        return hashlib.sha256(public_der(self.key)).hexdigest()

    def add(self, body: bytes, time: datetime = NOW) -> Entry:
        self.entries.append(Entry(body, len(self.entries), int(time.timestamp())))
        return self.entries[-1]

    def payload(self, entry: Entry) -> dict[str, Any]:
        """What the log promises."""
        return {"body": encoded(entry.body), "integratedTime": entry.time, "logIndex": entry.index, "logID": self.log_id}

    def promise(self, entry: Entry) -> bytes:
        """The signed entry timestamp."""
        return self.sign(compact(self.payload(entry)))

    def annotation(self, entry: Entry) -> str:
        """The value of cosign's annotation ``dev.sigstore.cosign/bundle``."""
        return json.dumps({"SignedEntryTimestamp": encoded(self.promise(entry)), "Payload": self.payload(entry)})

    def response(self, entry: Entry) -> dict[str, Any]:
        """What Rekor's API answers to a request that adds an entry, and to one for an entry."""
        identifier = leaf_hash(entry.body).hex()
        proof = {
            "logIndex": entry.index, "treeSize": len(self.entries), "rootHash": self.root().hex(),
            "hashes": [one.hex() for one in self.proof(entry.index)], "checkpoint": self.checkpoint(),
        }  # fmt: skip
        verification = {"signedEntryTimestamp": encoded(self.promise(entry)), "inclusionProof": proof}
        return {identifier: {**self.payload(entry), "verification": verification}}

    def bundle_entry(self, entry: Entry, kind: str, version: str = "0.0.1", *, promised: bool = True, proven: bool = True) -> dict[str, Any]:
        """The entry as a bundle has it in ``tlogEntries``."""
        found: dict[str, Any] = {
            "logIndex": str(entry.index), "logId": {"keyId": encoded(bytes.fromhex(self.log_id))},
            "kindVersion": {"kind": kind, "version": version}, "canonicalizedBody": encoded(entry.body),
        }  # fmt: skip
        if promised:
            found["integratedTime"] = str(entry.time)
            found["inclusionPromise"] = {"signedEntryTimestamp": encoded(self.promise(entry))}
        if proven:
            found["inclusionProof"] = {
                "logIndex": str(entry.index), "rootHash": encoded(self.root()), "treeSize": str(len(self.entries)),
                "hashes": [encoded(one) for one in self.proof(entry.index)], "checkpoint": {"envelope": self.checkpoint()},
            }  # fmt: skip
        return found

    def root(self) -> bytes:
        return _root([entry.body for entry in self.entries])

    def proof(self, index: int) -> list[bytes]:
        return _path(index, [entry.body for entry in self.entries])

    def checkpoint(self) -> str:
        """The signed state of the log: a signed note (transparency-dev's formats, ``checkpoint``)."""
        note = f"{ORIGIN}\n{len(self.entries)}\n{encoded(self.root())}\n"
        hint = bytes.fromhex(self.log_id)[:4]
        return f"{note}\n\u2014 {ORIGIN} {encoded(hint + self.sign(note.encode()))}\n"

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


def leaf_hash(body: bytes) -> bytes:
    return hashlib.sha256(b"\0" + body).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _split(size: int) -> int:
    """The largest power of two that is smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def _root(bodies: Sequence[bytes]) -> bytes:
    if len(bodies) == 1:
        return leaf_hash(bodies[0])
    at = _split(len(bodies))
    return _node(_root(bodies[:at]), _root(bodies[at:]))


def _path(index: int, bodies: Sequence[bytes]) -> list[bytes]:
    if len(bodies) == 1:
        return []
    at = _split(len(bodies))
    if index < at:
        return [*_path(index, bodies[:at]), _root(bodies[at:])]
    return [*_path(index - at, bodies[at:]), _root(bodies[:at])]
