"""Hashes in Nix's notations: those that Nix prints for the same bytes."""

from __future__ import annotations

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.model.nix_hash import to_nix_base32, to_sri


@pytest.mark.parametrize(
    ("content", "algorithm", "base32", "sri"),
    [
        (b"", "sha256", "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
         "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        (b"abc", "sha256", "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s",
         "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        (b"abc", "sha512",
         "2gs8k559z4rlahfx0y688s49m2vvszylcikrfinm30ly9rak69236nkam5ydvly1ai7xac99vxfc4ii84hawjbk876blyk1jfhkbbyx",
         "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="),
    ],
)  # fmt: skip
def test_a_hash_as_nix_writes_it(content: bytes, algorithm: str, base32: str, sri: str) -> None:
    digest = Digest.of(content, algorithm)
    assert (to_nix_base32(digest), to_sri(digest)) == (base32, sri)
