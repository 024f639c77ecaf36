"""Content digests, ``algorithm:encoded`` (OCI image specification, "Descriptors", "Digests")."""

from __future__ import annotations

import hashlib
import re
import sys
from typing import TYPE_CHECKING

from ..errors import InvalidDigest, Unsupported
from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from _hashlib import HASH


_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}
_GRAMMAR = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)", re.ASCII)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_MAX_LENGTH = 512


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The digest of content. `parse` validates text, so that ``hex`` is safe as part of a path or URL."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: object) -> Digest:
        """Parse ``algorithm:encoded``; raises `InvalidDigest`.

        Algorithms that are not registered are accepted, as the specification requires, but cannot be
        verified: see `verifiable`.
        """
        if not isinstance(text, str) or len(text) > _MAX_LENGTH:
            raise InvalidDigest(f"invalid digest {_clip(text)}")
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise InvalidDigest(f"invalid digest {_clip(text)}: want algorithm:hex")
        algorithm, encoded = match.groups()
        length = _HEX_LENGTH.get(algorithm)
        if length is not None and (len(encoded) != length or not _HEX.fullmatch(encoded)):
            raise InvalidDigest(f"invalid digest {_clip(text)}: {algorithm} wants {length} lower-case hex digits")
        return cls(sys.intern(algorithm), encoded)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Digest:
        """Compute the digest of ``content``; raises `Unsupported` for an unknown algorithm."""
        hasher = new_hasher(algorithm)
        hasher.update(content)
        return cls(algorithm, hasher.hexdigest())

    @property
    def verifiable(self) -> bool:
        """Whether the algorithm is implemented: sha256, sha384 or sha512."""
        return self.algorithm in _HEX_LENGTH

    @property
    def short(self) -> str:
        """The first twelve digits, for display."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def _clip(text: object) -> str:
    escaped = ascii(text)
    return escaped if len(escaped) <= 100 else escaped[:97] + "..."


def new_hasher(algorithm: str) -> HASH:
    """Return a `hashlib` object for ``algorithm``; raises `Unsupported` for one that is not implemented."""
    if algorithm not in _HEX_LENGTH:
        raise Unsupported(f"digest algorithm {algorithm!r} cannot be verified: want sha256 or sha512")
    return hashlib.new(algorithm, usedforsecurity=True)
