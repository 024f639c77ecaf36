"""The manifest that is signed, by its digest."""

from __future__ import annotations

import hashlib

import pytest

from pyskopeo.signatures.verdict import SignedImage

RAW = b'{"schemaVersion":2}'
SHA256, SHA512 = hashlib.sha256(RAW).hexdigest(), hashlib.sha512(RAW).hexdigest()


@pytest.mark.parametrize(
    ("manifest", "digest", "same"),
    [
        (RAW, f"sha256:{SHA256}", True),
        (RAW, f"sha512:{SHA512}", True),
        (RAW + b" ", f"sha256:{SHA256}", False),
        (RAW, f"sha256:{SHA256.upper()}", False),
        (RAW, "sha256:0", False),
        (RAW, SHA256, False),
        (RAW, "", False),
        (RAW, f"md5:{hashlib.md5(RAW).hexdigest()}", False),
        # A manifest of schema 1 has the digest of what its own signatures sign.
        (b'{"schemaVersion":1,"signatures":[]}', f"sha256:{SHA256}", False),
        (b'{"schemaVersion":1,"signatures":"x"}', f"sha256:{SHA256}", False),
    ],
)
def test_digests(manifest: bytes, digest: str, same: bool) -> None:
    assert SignedImage(manifest, "dir:image").has_digest(digest) is same
