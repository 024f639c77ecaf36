"""Which blobs are in which part of a bundle; no I/O.

Parts are filled in the order of the contents, where the blobs of an image are beside each other, so that most images
are whole in one part. Only a blob that is larger than a part is divided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..fast_dataclass import dataclass
from ..model.bundle import MOST_PARTS
from ..storage.tar_encoding import header, padding
from ..storage.tar_fields import BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..model.bundle import BundledBlob
    from ..model.digest import Digest

END = 2 * BLOCK
"""The size of the end of an archive."""
# Room for the file that describes a part, and the smallest piece of a blob that is worth a member of its own.
_DESCRIPTION, _SMALLEST_PIECE = 8 * BLOCK, 1024 * 1024
# At most this many bytes are the headers of a piece, whatever its size and digest.
_PIECE_HEADERS = 4 * BLOCK


@dataclass(frozen=True, slots=True)
class PackedRange:
    """What a part has of a blob: ``size`` bytes from ``offset``; ``whole`` is whether that is all of it."""

    digest: Digest
    offset: int
    size: int
    whole: bool


def member_size(name: str, size: int) -> int:
    """Return how many bytes of an archive a file of ``size`` bytes takes."""
    return len(header(name, mode=0o644, size=size)) + size + len(padding(size))


def blob_name(digest: Digest) -> str:
    """Return the name of a blob in an archive."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def piece_name(digest: Digest) -> str:
    """Return the name of the piece of a blob in a part; a part has no more than one of each."""
    return f"pieces/{digest.algorithm}/{digest.hex}"


def pack(blobs: Mapping[Digest, BundledBlob], fixed: int, limit: int | None) -> list[list[PackedRange]]:
    """Return what each part has of which blobs; one part if all fit, or without a ``limit``.

    ``fixed`` is the size in bytes of what every part has besides, its end included. Parts are smaller than ``limit``,
    not as large: file systems such as FAT take files of less than 4 GiB. Raises `InvalidInput` for a limit that is too
    small.
    """
    whole = [PackedRange(digest, 0, blob.size, True) for digest, blob in blobs.items()]
    if limit is None or fixed + sum(member_size(blob_name(one.digest), one.size) for one in whole) < limit:
        return [whole]
    least = fixed + _DESCRIPTION + _PIECE_HEADERS + _SMALLEST_PIECE
    if limit <= least:
        raise InvalidInput(f"parts of less than {limit} bytes are too small for this bundle: want more than {least}")
    parts = _pack_parts(whole, limit - fixed - _DESCRIPTION - 1)
    if len(parts) > MOST_PARTS:
        raise InvalidInput(f"{len(parts)} parts of less than {limit} bytes are too many: want {MOST_PARTS} at most")
    return parts


def _pack_parts(blobs: Iterable[PackedRange], room: int) -> list[list[PackedRange]]:
    parts: list[list[PackedRange]] = [[]]
    left = room
    for blob in blobs:
        needed = member_size(blob_name(blob.digest), blob.size)
        if needed <= room:
            if needed > left:
                parts.append([])
                left = room
            parts[-1].append(blob)
            left -= needed
            continue
        offset = 0
        while offset < blob.size:
            if left < _PIECE_HEADERS + _SMALLEST_PIECE:
                parts.append([])
                left = room
            size = min(blob.size - offset, (left - _PIECE_HEADERS) // BLOCK * BLOCK)
            parts[-1].append(PackedRange(blob.digest, offset, size, False))
            left -= member_size(piece_name(blob.digest), size)
            offset += size
    return parts
