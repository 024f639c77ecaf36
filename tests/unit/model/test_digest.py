"""Digests: the grammar, and the verifier every byte passes through."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import InvalidDigest, Unsupported
from pyskopeo.model.digest import Digest, new_hasher

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "algorithm", "encoded"),
    [
        (f"sha256:{HEX}", "sha256", HEX),
        (f"sha512:{HEX}{HEX}", "sha512", HEX * 2),
        (f"sha384:{'0' * 96}", "sha384", "0" * 96),
        # Not registered, but of the specification's grammar.
        ("sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564", "sha256+b64u", None),
        ("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8", "multihash+base58", None),
        ("md5:d41d8cd98f00b204e9800998ecf8427e", "md5", None),
    ],
)
def test_what_parses(text: str, algorithm: str, encoded: str | None) -> None:
    digest = Digest.parse(text)
    assert digest.algorithm == algorithm
    assert str(digest) == text
    assert encoded is None or digest.hex == encoded
    assert digest.short == digest.hex[:12]


@pytest.mark.parametrize(
    "text",
    [
        "", "sha256", "sha256:", HEX, f":{HEX}", f"sha256:{HEX[1:]}", f"sha256:{HEX}0", f"sha256:{HEX.upper()}",
        f"sha512:{HEX}", f"SHA256:{HEX}", f"sha256:{HEX}\n", f" sha256:{HEX}", f"sha256:{'g' * 64}",
        f"sha256:../../{HEX[:58]}", "x:../../etc/passwd", "x:a/b", "x:a.b", "../x:abc", "a/b:abc", "x:\u0663" + HEX,
        f"sha256:{'٣' * 64}", "x:" + "a" * 600, None, 5, b"sha256:" + HEX.encode(), ["sha256"],
    ],
)  # fmt: skip
def test_what_does_not(text: object) -> None:
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@given(st.text())
def test_whatever_parses_is_one_safe_path_component(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except InvalidDigest:
        return
    assert str(digest) == text
    assert "/" not in digest.hex
    assert "." not in digest.hex
    assert not digest.algorithm.startswith(".")


def test_of_content() -> None:
    assert str(Digest.of(b"")) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Digest.of(b"x", "sha512").hex == hashlib.sha512(b"x").hexdigest()


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256+b64u", "shake_128"])
def test_what_cannot_be_verified_is_refused(algorithm: str) -> None:
    with pytest.raises(Unsupported, match=r"want sha256 or sha512"):
        new_hasher(algorithm)
