"""What an entry of Rekor's log says: who signed what (Rekor's types ``hashedrekord`` and ``dsse``)."""

from __future__ import annotations

from typing import Any

from ..fast_dataclass import dataclass
from ..model.signature import SIGNATURE_LIMIT
from .json_members import (
    an_object,
    decode_base64,
    member_bytes,
    member_list,
    member_object,
    member_text,
    parse_document,
    shown,
)
from .pem import only_block
from .refusals import SignatureRefused

# Names of hashes in sigstore's protobuf messages, which version 0.0.2 uses.
_HASHES = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}
_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}


@dataclass(frozen=True, slots=True)
class LoggedSignature:
    """A signature, and the key (SubjectPublicKeyInfo) or the certificate that it is by (DER)."""

    signature: bytes
    verifier: bytes


@dataclass(frozen=True, slots=True)
class RekorBody:
    """What is signed, and by whom.

    ``content_hash``, computed by ``algorithm``, is that of the message that is signed; with the kind ``dsse``, that of
    the payload within the message.
    """

    kind: str
    version: str
    algorithm: str
    content_hash: bytes
    signatures: tuple[LoggedSignature, ...]

    @classmethod
    def parse(cls, raw: bytes) -> RekorBody:
        """Parse a body; raises `SignatureRefused`, also for other types and versions."""
        document = parse_document(raw, "the log entry's body", SIGNATURE_LIMIT)
        kind, version = document.get("kind"), document.get("apiVersion")
        parse = _PARSERS.get((str(kind), str(version)))
        if parse is None:
            raise SignatureRefused(f"the log entry is of type {shown(kind)}, version {shown(version)}: not supported")
        body = parse(member_object(document, "spec", "the log entry's body"))
        if _SIZES.get(body.algorithm) != len(body.content_hash):
            raise SignatureRefused(f"the log entry has no hash that is supported: {shown(body.algorithm)}")
        return body


def _hashedrekord(spec: dict[str, Any]) -> RekorBody:
    signature = member_object(spec, "signature", "spec")
    key = member_object(signature, "publicKey", "spec.signature")
    logged = LoggedSignature(
        member_bytes(signature, "content", "spec.signature"),
        _der(member_bytes(key, "content", "spec.signature.publicKey")),
    )
    hashed = member_object(member_object(spec, "data", "spec"), "hash", "spec.data")
    return RekorBody("hashedrekord", "0.0.1", *_hex_hash(hashed, "spec.data.hash"), (logged,))


def _dsse(spec: dict[str, Any]) -> RekorBody:
    hashed = member_object(spec, "payloadHash", "spec")
    signatures = tuple(
        LoggedSignature(
            member_bytes(an_object(one, "spec.signatures"), "signature", "spec.signatures"),
            _der(member_bytes(one, "verifier", "spec.signatures")),
        )
        for one in member_list(spec, "signatures", "spec")
    )
    return RekorBody("dsse", "0.0.1", *_hex_hash(hashed, "spec.payloadHash"), signatures)


def _hashedrekord_2(spec: dict[str, Any]) -> RekorBody:
    found = member_object(spec, "hashedRekordV002", "spec")
    signature = _logged_2(member_object(found, "signature", "spec"))
    return RekorBody("hashedrekord", "0.0.2", *_hash_2(member_object(found, "data", "spec")), (signature,))


def _dsse_2(spec: dict[str, Any]) -> RekorBody:
    found = member_object(spec, "dsseV002", "spec")
    signatures = tuple(_logged_2(an_object(one, "signatures")) for one in member_list(found, "signatures", "spec"))
    return RekorBody("dsse", "0.0.2", *_hash_2(member_object(found, "payloadHash", "spec")), signatures)


def _logged_2(signature: dict[str, Any]) -> LoggedSignature:
    verifier = member_object(signature, "verifier", "signature")
    holder = "x509Certificate" if "x509Certificate" in verifier else "publicKey"
    key = member_bytes(member_object(verifier, holder, "verifier"), "rawBytes", f"verifier.{holder}")
    return LoggedSignature(member_bytes(signature, "content", "signature"), key)


def _hash_2(output: dict[str, Any]) -> tuple[str, bytes]:
    name = member_text(output, "algorithm", "the hash")
    return _HASHES.get(name, name), decode_base64(output.get("digest"), "the hash")


def _hex_hash(hashed: dict[str, Any], where: str) -> tuple[str, bytes]:
    text = member_text(hashed, "value", where)
    try:
        return member_text(hashed, "algorithm", where), bytes.fromhex(text)
    except ValueError:
        raise SignatureRefused(f"{where}.value is not hexadecimal") from None


def _der(pem: bytes) -> bytes:
    return only_block(pem, "the public key in the log entry").content


_PARSERS = {
    ("hashedrekord", "0.0.1"): _hashedrekord,
    ("hashedrekord", "0.0.2"): _hashedrekord_2,
    ("dsse", "0.0.1"): _dsse,
    ("dsse", "0.0.2"): _dsse_2,
}
