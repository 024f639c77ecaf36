"""Simple signatures: OpenPGP messages that name an image and the digest of its manifest (containers-signature(5))."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import InvalidContent, InvalidDigest
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.signature import SIGNATURE_LIMIT
from ..model.strict_json import parse_object
from .identities import refusal
from .verdict import Verdict

if TYPE_CHECKING:
    from ..config.policy_identities import SignedIdentity
    from ..model.signature import Signature
    from .verdict import SignedImage

_TYPE = "atomic container signature"


@dataclass(frozen=True, slots=True)
class SimplePayload:
    """What a simple signature says: the image ``identity``, the ``digest`` of its manifest, and what is optional.

    ``creator`` names a program; ``timestamp`` is in seconds since 1970. Both are None if they are not given.
    """

    identity: str
    digest: str
    creator: str | None = None
    timestamp: int | None = None

    @classmethod
    def parse(cls, raw: bytes) -> SimplePayload:
        """Parse a payload; raises `InvalidContent` unless it has exactly the fields of the specification.

        Members of ``optional`` that are unknown are ignored; elsewhere they are errors, since they might limit what the
        signature is for.
        """
        whole = _members(parse_object(raw, "the payload", SIGNATURE_LIMIT), "", "critical", "optional")
        critical = _members(whole["critical"], "critical", "type", "image", "identity")
        image = _members(critical["image"], "critical.image", "docker-manifest-digest")
        identity = _members(critical["identity"], "critical.identity", "docker-reference")
        optional = whole["optional"]
        if not isinstance(optional, dict):
            raise InvalidContent("optional of the payload is not an object")
        kind = _text(critical["type"], "critical.type")
        if kind != _TYPE:
            raise InvalidContent(f"Unrecognized signature type {ascii(kind)[1:-1][:100]}")
        digest = _text(image["docker-manifest-digest"], "docker-manifest-digest")
        try:
            Digest.parse(digest)
        except InvalidDigest as error:
            raise InvalidContent(f"docker-manifest-digest of the payload: {error}") from None
        # As in Go, null is an empty text, and zero.
        creator, timestamp = optional.get("creator", ""), optional.get("timestamp", 0)
        creator = _text("" if creator is None else creator, "optional.creator")
        timestamp = _whole_number(0 if timestamp is None else timestamp)
        return cls(
            identity=_text(identity["docker-reference"], "docker-reference"),
            digest=digest,
            creator=creator if "creator" in optional else None,
            timestamp=timestamp if "timestamp" in optional else None,
        )

    def to_bytes(self) -> bytes:
        """Return the payload as it is signed; raises `ValueError` for one without an identity or a digest."""
        if not self.identity or not self.digest:
            raise ValueError("Unexpected empty signature content")
        optional = {"creator": self.creator, "timestamp": self.timestamp}
        document = {
            "critical": {
                "identity": {"docker-reference": self.identity},
                "image": {"docker-manifest-digest": self.digest},
                "type": _TYPE,
            },
            "optional": {name: value for name, value in optional.items() if value is not None},
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def verify(
    signature: Signature, image: SignedImage, keyrings: Sequence[bytes], identity: SignedIdentity | None, now: datetime
) -> Verdict:
    """Return whether ``signature`` is one of ``image`` by a key in ``keyrings``, for ``identity``, at the time ``now``.

    Without ``identity``, the name of the image that is signed does not matter. ``keyrings`` are the contents of key
    files, binary or armored; every key in them is trusted. ``now`` is in UTC. Raises `Unsupported` without the
    extra ``openpgp``.
    """
    if signature.format != "simple":
        return _verdict(signature, "not an OpenPGP signature")
    from .openpgp import verify_message

    try:
        message = verify_message(signature.content, keyrings, now)
    except InvalidContent as error:
        return _verdict(signature, str(error))
    signer = message.fingerprint
    try:
        payload = SimplePayload.parse(message.content)
    except InvalidContent as error:
        return _verdict(signature, f"Invalid signature: {error}", signer=signer)
    if not payload.digest.startswith("sha256:"):
        # As for skopeo; a signature for the manifest's sha256 digest can always be made.
        reason = f"Signature for digest {payload.digest} does not match: it has to be for a sha256 digest"
    elif not image.has_digest(payload.digest):
        reason = f"Signature for digest {payload.digest} does not match"
    else:
        reason = "" if identity is None else refusal(identity, image.reference, payload.identity)
    return _verdict(signature, reason, signer=signer, identity=payload.identity, digest=payload.digest)


def _verdict(signature: Signature, reason: str, **known: str) -> Verdict:
    return Verdict(not reason, reason, where=signature.where, format=signature.format, **known)


def _members(value: object, where: str, *names: str) -> dict[str, Any]:
    """Return an object that has exactly the given members."""
    called = f"{where} of the payload" if where else "the payload"
    if not isinstance(value, dict):
        raise InvalidContent(f"{called} is not an object")
    for name in value:
        if name not in names:
            raise InvalidContent(f"{called} has the unknown key {ascii(name)[:60]}")
    for name in names:
        if name not in value:
            raise InvalidContent(f"{called} has no {name}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidContent(f"{where} of the payload is not a text")
    return value


def _whole_number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise InvalidContent("optional.timestamp of the payload is not a whole number")
    return int(value)
