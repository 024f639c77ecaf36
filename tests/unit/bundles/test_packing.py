"""`packing`: which blobs are in which part."""

from __future__ import annotations

import random

import pytest

from pyskopeo.bundles.packing import END, blob_name, member_size, pack, piece_name
from pyskopeo.errors import InvalidInput
from pyskopeo.model.bundle import BundledBlob
from pyskopeo.model.digest import Digest

KIB, MIB = 1024, 1024 * 1024
FIXED = 4096 + END


def blobs(*sizes: int) -> dict[Digest, BundledBlob]:
    return {Digest.of(str(n).encode()): BundledBlob(size, "a.b/c:d") for n, size in enumerate(sizes)}


def packed_size(part: object) -> int:
    assert isinstance(part, list)
    named = ((blob_name if one.whole else piece_name)(one.digest) for one in part)
    return FIXED + sum(member_size(name, one.size) for name, one in zip(named, part, strict=True))


def test_what_fits_is_one_part() -> None:
    found = blobs(10, 1000, 0)
    whole = FIXED + 512 * (2 + 3 + 1)
    assert [len(part) for part in pack(found, FIXED, None)] == [3]
    assert [len(part) for part in pack(found, FIXED, whole + 1)] == [3]
    with pytest.raises(InvalidInput, match="want more than"):
        pack(found, FIXED, whole)  # parts are smaller than the limit


def test_only_what_is_larger_than_a_part_is_divided() -> None:
    found = blobs(900 * KIB, 900 * KIB, 5 * MIB, 100)
    parts = pack(found, FIXED, 2 * MIB)
    first, second, large, small = found
    assert [(one.digest, one.whole) for one in parts[0]] == [(first, True), (second, True)]
    pieces = [one for part in parts for one in part if one.digest == large]
    assert [one.whole for one in pieces] == [False] * len(pieces)
    assert parts[-1][-1].digest == small
    assert len({one.offset for one in pieces}) == len(pieces) == 3


@pytest.mark.parametrize("seed", range(5))
def test_every_byte_is_in_one_part_that_is_small_enough(seed: int) -> None:
    chance = random.Random(seed)
    found = blobs(*(chance.choice((0, 1, 511, 512, 513, chance.randrange(6 * MIB))) for _ in range(60)))
    limit = chance.randrange(1200 * KIB, 3 * MIB)
    parts = pack(found, FIXED, limit)
    assert all(packed_size(part) + 8 * 512 < limit for part in parts)
    position = dict.fromkeys(found, 0)
    for part in parts:
        assert len({one.digest for one in part}) == len(part)
        for one in part:
            assert one.offset == position[one.digest]
            position[one.digest] += one.size
    assert position == {digest: blob.size for digest, blob in found.items()}


def test_too_many_parts() -> None:
    with pytest.raises(InvalidInput, match="are too many: want 999 at most"):
        pack(blobs(1200 * MIB), FIXED, 1100 * KIB)
