"""The digest of a manifest of any type, signed ones of schema 1 included."""

from __future__ import annotations

from ..errors import InvalidContent
from . import mediatype
from .digest import Digest
from .strict_json import MANIFEST_LIMIT, parse_object


def content_digest(raw: bytes, algorithm: str = "sha256") -> Digest:
    """Return the digest of ``raw``, or of its signed content if it is a signed manifest of schema 1.

    ``raw`` need not be a valid manifest, as for skopeo's manifest-digest. Raises `InvalidContent` for
    signatures that cannot be removed and `Unsupported` for an unknown algorithm.
    """
    return Digest.of(_content(raw), algorithm)


def _content(raw: bytes) -> bytes:
    if b"signatures" not in raw:
        return raw
    try:
        document = parse_object(raw, "manifest", MANIFEST_LIMIT)
    except InvalidContent:
        return raw  # not a manifest, so not a signed one
    version, signatures = document.get("schemaVersion"), document.get("signatures")
    if version != 1 or type(version) is not int or signatures is None:
        return raw
    # Anything may be there, also what is in no set.
    if str(document.get("mediaType")) in mediatype.MANIFESTS:
        return raw
    from . import jws

    return jws.payload(raw, signatures)
