"""The digest a manifest is known by, whatever its bytes are."""

from __future__ import annotations

from ..errors import InvalidContent
from . import jws, mediatype
from .digest import Digest
from .strict_json import MANIFEST_LIMIT, parse_object


def content_digest(raw: bytes, algorithm: str = "sha256") -> Digest:
    """The digest of ``raw``; of a signed manifest of schema 1, that of what was signed.

    Any bytes have one, as for skopeo's manifest-digest, even if they are no manifest. Raises
    `InvalidContent` for signatures that cannot be taken off, `Unsupported` for an unknown algorithm.
    """
    return Digest.of(_content(raw), algorithm)


def _content(raw: bytes) -> bytes:
    if b"signatures" not in raw:
        return raw
    try:
        document = parse_object(raw, "manifest", MANIFEST_LIMIT)
    except InvalidContent:
        return raw  # not a manifest, and so nothing that could be signed
    version, signatures = document.get("schemaVersion"), document.get("signatures")
    if version != 1 or isinstance(version, bool) or signatures is None:
        return raw
    return raw if document.get("mediaType") in mediatype.MANIFESTS else jws.payload(raw, signatures)
