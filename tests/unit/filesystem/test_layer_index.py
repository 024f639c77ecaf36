"""The index of a layer, as it is kept."""

from __future__ import annotations

import json

import pytest

from pyskopeo.filesystem.entry import Entry, Kind, Whiteout
from pyskopeo.filesystem.layer_index import LayerIndex
from pyskopeo.filesystem.overlay import LayerEntries
from pyskopeo.model.descriptor import UNKNOWN_SIZE, Descriptor
from pyskopeo.model.digest import Digest

LAYER, PLAIN = Digest.of(b"layer"), Digest.of(b"plain")
ENTRIES = [
    Entry("usr", Kind.DIRECTORY, 0o755, 0, 0, 17, 0, "", (0, 0), (), 3, 0),
    Entry("usr/\udcff", Kind.FILE, 0o4755, 1, 2, -5, 9, "", (0, 0), ((b"security.capability", b"\0\xff"),), 3, 1, b"\1" * 32),
    Entry("usr/l", Kind.SYMLINK, 0o777, 0, 0, 0, 0, "../\udcfe", (0, 0), (), 3, 2),
    Entry("dev/c", Kind.CHARACTER, 0o600, 0, 0, 0, 0, "", (1, 3), (), 3, 4),
]
INDEX = LayerIndex(LAYER, 100, PLAIN, 10240, LayerEntries(3, ENTRIES, [Whiteout("etc", False), Whiteout("var", True)]))


def test_an_index_is_the_same_after_it_was_kept() -> None:
    assert LayerIndex.decode(INDEX.encode(), LAYER, 3) == INDEX
    assert INDEX.numbered(3) is INDEX.layer
    second = INDEX.numbered(2)
    assert LayerIndex.decode(INDEX.encode(), LAYER, 2) == LayerIndex(LAYER, 100, PLAIN, 10240, second)
    assert {entry.layer for entry in second.entries} == {2}


@pytest.mark.parametrize("raw", [
    b"", b"[]", b"{}", b"null", b"{" * 100_000,
    INDEX.encode().replace(b'"d"', b'"?"'),
    INDEX.encode().replace(PLAIN.hex.encode(), b"zz"),
    json.dumps(json.loads(INDEX.encode()) | {"entries": [[1, "a"]]}).encode(),
    json.dumps(json.loads(INDEX.encode()) | {"whiteouts": [7]}).encode(),
])  # fmt: skip
def test_anything_else_is_no_index(raw: bytes) -> None:
    assert LayerIndex.decode(raw, LAYER, 1) is None


@pytest.mark.parametrize(("size", "diff_ids", "describes"), [
    (100, (PLAIN,), True),
    (UNKNOWN_SIZE, (), True),
    (101, (PLAIN,), False),
    (100, (PLAIN, LAYER), False),
    (100, (Digest.of(b"plain", "sha512"),), False),
])  # fmt: skip
def test_an_index_is_that_of_a_layer_with_its_size_and_its_diff_ids(
    size: int, diff_ids: tuple[Digest, ...], describes: bool
) -> None:
    assert INDEX.describes(Descriptor("", LAYER, size), diff_ids) is describes
