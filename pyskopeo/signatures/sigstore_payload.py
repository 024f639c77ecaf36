"""The payload of a sigstore signature: which manifest is signed as which image (cosign's signature specification)."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidDigest
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.signature import SIGNATURE_LIMIT
from .json_members import exact, parse_document, shown
from .refusals import SignatureRefused

TYPE = "cosign container image signature"


@dataclass(frozen=True, slots=True)
class SigstorePayload:
    """The digest of the manifest, and the name of the image, both as the payload claims them."""

    digest: str
    reference: str

    @classmethod
    def parse(cls, raw: bytes) -> SigstorePayload:
        """Parse a payload; its members have to be exactly those that are specified. Raises `SignatureRefused`."""
        document = parse_document(raw, "the payload", SIGNATURE_LIMIT)
        critical, optional = exact(document, "the payload", ("critical", "optional"))
        _check_optional(optional)
        kind, image, identity = exact(critical, "critical", ("type", "image", "identity"))
        if kind != TYPE:
            raise SignatureRefused(f"Unrecognized signature type {shown(kind)}")
        (digest,) = exact(image, "critical.image", ("docker-manifest-digest",))
        (reference,) = exact(identity, "critical.identity", ("docker-reference",))
        try:
            Digest.parse(digest)
        except InvalidDigest as error:
            raise SignatureRefused(f"docker-manifest-digest: {error}") from None
        if not isinstance(reference, str):
            raise SignatureRefused("critical.identity.docker-reference is not a string")
        return cls(digest, reference)


def _check_optional(value: Any) -> None:
    """Check ``optional``: null, as of cosign without annotations, or an object with anything in it."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise SignatureRefused("optional is not a JSON object")
    creator, timestamp = value.get("creator"), value.get("timestamp")
    if creator is not None and not isinstance(creator, str):
        raise SignatureRefused("optional.creator is not a string")
    if timestamp is None:
        return
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float) or timestamp != int(timestamp):
        raise SignatureRefused("optional.timestamp is not an integer")
