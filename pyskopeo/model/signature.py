"""A signature of a manifest as it is stored: a simple signature, or one of sigstore."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from ..errors import InvalidContent, TooLarge
from ..fast_dataclass import dataclass
from .strict_json import parse_object

SignatureFormat: TypeAlias = Literal["simple", "sigstore", "bundle"]
"""``simple``: an OpenPGP message (containers-signature(5)); ``sigstore``: a payload with annotations, as in cosign's
tags ``sha256-HEX.sig``; ``bundle``: a sigstore bundle, which only referrers hold."""

SIGNATURE_LIMIT = 4 * 1024 * 1024
"""The maximum size of one stored signature, in bytes."""

MAX_SIGNATURES = 128
"""The maximum number of signatures of one manifest that are read."""

TOTAL_LIMIT = 16 * 1024 * 1024
"""The maximum size of all stored signatures of one manifest that are read, in bytes."""

_SIGSTORE_MAGIC = b"\x00sigstore-json\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature.

    ``content`` is the OpenPGP message, the payload that is signed, or the bundle's JSON. ``media_type`` and
    ``annotations`` are those of the layer that holds a payload of sigstore; of other formats both are empty.
    ``where`` is the place that it was read from, for messages: it is no part of the signature.
    """

    format: SignatureFormat
    content: bytes = field(repr=False)
    media_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    where: str = field(default="", compare=False)

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Signature:
        """Parse the file ``signature-N`` of a directory or a lookaside; ``where`` names it in errors.

        An OpenPGP message begins with a byte that has its highest bit set (RFC 4880, section 4.2); the files of other
        formats with a zero byte and the format's name. Raises `InvalidContent`, also for an unknown format.
        """
        if raw[:1] >= b"\x80":
            return cls("simple", raw, where=where)
        if not raw.startswith(_SIGSTORE_MAGIC):
            raise InvalidContent(f"{where}: unrecognized signature format")
        document = parse_object(raw[len(_SIGSTORE_MAGIC) :], where, SIGNATURE_LIMIT)
        media_type, payload, annotations = (document.get(name) for name in ("mimeType", "payload", "annotations"))
        if not isinstance(media_type, str) or not isinstance(payload, str):
            raise InvalidContent(f"{where}: want mimeType and payload, both of them text")
        if not isinstance(annotations, dict) or not all(isinstance(one, str) for one in annotations.values()):
            raise InvalidContent(f"{where}: annotations is not an object of texts")
        try:
            content = base64.b64decode(payload, validate=True)
        except ValueError:
            raise InvalidContent(f"{where}: payload is not base64") from None
        return cls("sigstore", content, media_type, annotations, where)

    @staticmethod
    def check_total(number: int, size: int, where: str) -> None:
        """Raise `TooLarge` for more than `MAX_SIGNATURES` or `TOTAL_LIMIT` bytes of signatures of one manifest."""
        if number > MAX_SIGNATURES:
            raise TooLarge(f"{where}: more than {MAX_SIGNATURES} signatures of one image", limit=MAX_SIGNATURES)
        if size > TOTAL_LIMIT:
            raise TooLarge(f"{where}: the signatures of one image are over {TOTAL_LIMIT} bytes", limit=TOTAL_LIMIT)

    def to_bytes(self) -> bytes:
        """Return the content of a file ``signature-N``; raises `ValueError` for a bundle, which has no such file."""
        if self.format == "simple":
            return self.content
        if self.format != "sigstore":
            raise ValueError("a bundle is stored as a referrer only")
        document = {
            "mimeType": self.media_type,
            "payload": base64.b64encode(self.content).decode(),
            "annotations": dict(sorted(self.annotations.items())),
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        # Half a character, which JSON can contain and UTF-8 cannot, stays an escape.
        return _SIGSTORE_MAGIC + text.encode("utf-8", "backslashreplace")
