"""Changes of layers during a copy, compression and encryption: what is requested, and the result."""

from __future__ import annotations

from ..fast_dataclass import dataclass
from .descriptor import Descriptor
from .digest import Digest

FORMATS = ("gzip", "zstd")
"""The compression formats that layers can be converted to."""


@dataclass(frozen=True, slots=True)
class Change:
    """The compression that a layer is to have: ``gzip``, ``zstd``, or "" for an uncompressed tar.

    A ``format`` of None leaves the compression as it is. ``level`` is on the scale of the compressor, 1 to 9 for gzip
    and 1 to 22 for zstd; None is its default. ``cipher`` is ``encrypt`` or ``decrypt``, for a layer that is encrypted
    after it was compressed, or decrypted before; "" for neither.
    """

    format: str | None
    level: int | None = None
    cipher: str = ""

    @property
    def rewrites(self) -> bool:
        """Whether other bytes are written; otherwise the layer is only read, for its diff ID."""
        return self.format is not None or bool(self.cipher)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A layer as it was written: its descriptor, and its diff ID, the digest of the uncompressed tar."""

    descriptor: Descriptor
    diff_id: Digest
