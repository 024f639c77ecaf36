"""Files of signatures of sigstore."""

from __future__ import annotations

from pyskopeo.model.signature import Signature


def test_half_a_character_in_an_annotation() -> None:
    """JSON can contain it, so it comes from registries; UTF-8 cannot."""
    signature = Signature("sigstore", b"payload", "text/x", {"a": "\ud800", "\udc80": "\u00e9"})
    assert Signature.parse(signature.to_bytes(), "here") == signature
