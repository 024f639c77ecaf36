"""Sigstore bundles, version 0.3: a signature with all that its verification needs (sigstore's protobuf-specs).

They are read as strictly as the specification's own readers do: no member twice, none that is unknown.
"""

from __future__ import annotations

from typing import Any

from ..fast_dataclass import dataclass
from ..model.signature import SIGNATURE_LIMIT
from .certificate_chains import MAX_CERTIFICATES
from .json_members import (
    an_object,
    decode_base64,
    known,
    member_bytes,
    member_list,
    member_number,
    member_object,
    member_text,
    parse_document,
    shown,
)
from .refusals import SignatureRefused

MEDIA_TYPES = ("application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3")
"""The media types of bundles that are read."""

MAX_ENTRIES = 8
"""The maximum number of log entries in a bundle."""

_HASHES = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That a log has an entry at ``index`` of its tree, and the log's signed note (``checkpoint``) about the tree."""

    index: int
    tree_size: int
    root_hash: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """An entry of a log: ``kind`` and ``version`` are of ``body``, ``promise`` is the signed timestamp, or b"".

    ``integrated_time`` is in seconds since 1970, 0 without one; ``log_id`` is hexadecimal.
    """

    kind: str
    version: str
    body: bytes
    log_index: int
    log_id: str
    integrated_time: int
    promise: bytes
    proof: InclusionProof | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope: a payload with its type, and a signature of both."""

    payload: bytes
    payload_type: str
    signature: bytes

    def message(self) -> bytes:
        """Return what is signed (DSSE, "PAE")."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """A signature of content that is not in the bundle; ``digest``, by ``algorithm``, is a hint, b"" without one."""

    algorithm: str
    digest: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle. ``certificates`` are in DER, that of the signer first; without any, it is signed by a key."""

    content: Envelope | MessageSignature
    certificates: tuple[bytes, ...]
    entries: tuple[BundleEntry, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Bundle:
        """Parse a bundle; raises `SignatureRefused`."""
        document = parse_document(raw, "the bundle", SIGNATURE_LIMIT)
        kind = document.get("mediaType")
        if kind not in MEDIA_TYPES:
            raise SignatureRefused(f"a bundle of type {shown(kind)}, which is not supported: want version 0.3")
        known(document, "the bundle", "mediaType", "verificationMaterial", "messageSignature", "dsseEnvelope")
        material = member_object(document, "verificationMaterial", "the bundle")
        known(
            material, "verificationMaterial",
            "certificate", "x509CertificateChain", "publicKey", "tlogEntries", "timestampVerificationData",
        )  # fmt: skip
        entries = member_list(material, "tlogEntries", "verificationMaterial")
        if len(entries) > MAX_ENTRIES:
            raise SignatureRefused(f"the bundle has more than {MAX_ENTRIES} log entries")
        return cls(_content(document), _certificates(material), tuple(map(_entry, entries)))


def _content(document: dict[str, Any]) -> Envelope | MessageSignature:
    envelope, message = document.get("dsseEnvelope"), document.get("messageSignature")
    if (envelope is None) == (message is None):
        raise SignatureRefused("the bundle has not exactly one of dsseEnvelope and messageSignature")
    return _envelope(an_object(envelope, "dsseEnvelope")) if message is None else _message(message)


def _envelope(found: dict[str, Any]) -> Envelope:
    known(found, "dsseEnvelope", "payload", "payloadType", "signatures")
    signatures = member_list(found, "signatures", "dsseEnvelope")
    if len(signatures) != 1:
        raise SignatureRefused(f"the envelope has {len(signatures)} signatures: want one")
    signature = an_object(signatures[0], "dsseEnvelope.signatures")
    known(signature, "dsseEnvelope.signatures", "sig", "keyid")
    kind = member_text(found, "payloadType", "dsseEnvelope")
    if not kind.isascii():
        raise SignatureRefused("dsseEnvelope.payloadType is not ASCII")
    return Envelope(
        member_bytes(found, "payload", "dsseEnvelope"), kind, member_bytes(signature, "sig", "dsseEnvelope.signatures")
    )


def _message(value: Any) -> MessageSignature:
    found = an_object(value, "messageSignature")
    known(found, "messageSignature", "messageDigest", "signature")
    signature = member_bytes(found, "signature", "messageSignature")
    if found.get("messageDigest") is None:
        return MessageSignature("", b"", signature)
    digest = member_object(found, "messageDigest", "messageSignature")
    known(digest, "messageDigest", "algorithm", "digest")
    name = member_text(digest, "algorithm", "messageDigest")
    if name not in _HASHES:
        raise SignatureRefused(f"messageDigest is by {shown(name)}, which is not supported")
    return MessageSignature(_HASHES[name], member_bytes(digest, "digest", "messageDigest"), signature)


def _certificates(material: dict[str, Any]) -> tuple[bytes, ...]:
    given = [name for name in ("certificate", "x509CertificateChain", "publicKey") if material.get(name) is not None]
    if len(given) != 1:
        raise SignatureRefused("the bundle has not exactly one of certificate, x509CertificateChain and publicKey")
    found = member_object(material, given[0], "verificationMaterial")
    if given == ["publicKey"]:
        known(found, "publicKey", "hint")
        return ()
    if given == ["certificate"]:
        known(found, "certificate", "rawBytes")
        return (member_bytes(found, "rawBytes", "certificate"),)
    known(found, "x509CertificateChain", "certificates")
    chain = member_list(found, "certificates", "x509CertificateChain")
    if not 0 < len(chain) <= MAX_CERTIFICATES:
        raise SignatureRefused(f"the bundle has {len(chain)} certificates: want 1 to {MAX_CERTIFICATES}")
    return tuple(member_bytes(an_object(one, "certificates"), "rawBytes", "certificates") for one in chain)


def _entry(value: Any) -> BundleEntry:
    found = an_object(value, "tlogEntries")
    known(
        found, "tlogEntries",
        "logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody",
    )  # fmt: skip
    kind = member_object(found, "kindVersion", "tlogEntries")
    promise = b""
    if found.get("inclusionPromise") is not None:
        holder = member_object(found, "inclusionPromise", "tlogEntries")
        promise = member_bytes(holder, "signedEntryTimestamp", "inclusionPromise")
    return BundleEntry(
        kind=member_text(kind, "kind", "kindVersion"),
        version=member_text(kind, "version", "kindVersion"),
        body=member_bytes(found, "canonicalizedBody", "tlogEntries"),
        log_index=member_number(found, "logIndex", "tlogEntries"),
        log_id=member_bytes(member_object(found, "logId", "tlogEntries"), "keyId", "logId").hex(),
        integrated_time=member_number(found, "integratedTime", "tlogEntries"),
        promise=promise,
        proof=None if found.get("inclusionProof") is None else _proof(found),
    )


def _proof(entry: dict[str, Any]) -> InclusionProof:
    found = member_object(entry, "inclusionProof", "tlogEntries")
    known(found, "inclusionProof", "logIndex", "rootHash", "treeSize", "hashes", "checkpoint")
    hashes = member_list(found, "hashes", "inclusionProof")
    return InclusionProof(
        index=member_number(found, "logIndex", "inclusionProof"),
        tree_size=member_number(found, "treeSize", "inclusionProof"),
        root_hash=member_bytes(found, "rootHash", "inclusionProof"),
        hashes=tuple(decode_base64(one, "inclusionProof.hashes") for one in hashes),
        checkpoint=member_text(member_object(found, "checkpoint", "inclusionProof"), "envelope", "checkpoint"),
    )
