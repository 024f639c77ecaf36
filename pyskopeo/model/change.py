"""What happens to a layer's bytes on their way, and what they turned out to be."""

from __future__ import annotations

from ..fast_dataclass import dataclass
from .descriptor import Descriptor
from .digest import Digest

FORMATS = ("gzip", "zstd")


@dataclass(frozen=True, slots=True)
class Change:
    """Have a layer in another form: ``gzip``, ``zstd``, or "" for the plain tar. None leaves it as it
    is: its diff ID is to be found out.

    ``level`` is the compressor's own scale; None is its default.
    """

    format: str | None
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A layer as it was written, and the digest of the tar inside: its diff ID."""

    descriptor: Descriptor
    diff_id: Digest
