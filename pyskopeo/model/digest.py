"""Digests, and the verifier that every byte passes through.

OCI image specification, "Descriptors": ``digest ::= algorithm ":" encoded``.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from ..errors import InvalidDigest, Unsupported
from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from _hashlib import HASH


_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}
_GRAMMAR = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)", re.ASCII)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_LONGEST = 512


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A content address. `parse` is the only way in from text, so ``hex`` is safe in a path."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: object) -> Digest:
        """Parse ``algorithm:encoded``; raises `InvalidDigest`.

        Algorithms that are not registered parse, as the specification asks; they cannot be
        verified, so `hasher` refuses them.
        """
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise InvalidDigest(f"invalid digest {_shown(text)}")
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise InvalidDigest(f"invalid digest {_shown(text)}: want algorithm:hex")
        algorithm, encoded = match.groups()
        length = _HEX_LENGTH.get(algorithm)
        if length is not None and (len(encoded) != length or not _HEX.fullmatch(encoded)):
            raise InvalidDigest(f"invalid digest {_shown(text)}: {algorithm} wants {length} lower-case hex digits")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of ``content``."""
        hasher = new_hasher(algorithm)
        hasher.update(content)
        return cls(algorithm, hasher.hexdigest())

    @property
    def verifiable(self) -> bool:
        """Whether content can be checked against it here."""
        return self.algorithm in _HEX_LENGTH

    @property
    def short(self) -> str:
        """The first twelve digits, as shown to people."""
        return self.hex[:12]

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def _shown(text: object) -> str:
    shown = ascii(text)
    return shown if len(shown) <= 100 else shown[:97] + "..."


def new_hasher(algorithm: str) -> HASH:
    """A hash object for ``algorithm``; raises `Unsupported` for one that cannot be verified."""
    if algorithm not in _HEX_LENGTH:
        raise Unsupported(f"digest algorithm {algorithm!r} cannot be verified: want sha256 or sha512")
    return hashlib.new(algorithm, usedforsecurity=True)
