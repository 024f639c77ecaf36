"""The entries of several layouts in one index."""

from __future__ import annotations

import json

import pytest

from pyskopeo.errors import DestinationRefused
from pyskopeo.model.layout import REF_NAME, LayoutIndex
from pyskopeo.model.layout_merge import merge_indexes
from pyskopeo.model.manifest import Manifest
from tests.support.images import build


def root() -> Manifest:
    return Manifest.parse(build("oci").root.raw)


def test_all_of_them_once_in_order() -> None:
    one, other = root(), Manifest.parse(build("docker").root.raw)
    first = LayoutIndex.empty().with_images({"a": one}, [one])
    second = LayoutIndex.empty().with_images({"b": other, "a": one}, [one, other])
    merged = merge_indexes(first, [second])
    names = [descriptor.annotations.get(REF_NAME, "") for descriptor in merged.descriptors]
    assert names == ["a", "", "b", ""]
    assert LayoutIndex.parse(merged.raw).entries == merged.entries
    assert merge_indexes(merged, [first, second]) is merged
    assert merge_indexes(first, []) is first


def test_of_no_layout_it_is_an_index_still() -> None:
    assert LayoutIndex.parse(merge_indexes(LayoutIndex.empty(), []).raw).entries == ()


def test_what_entries_say_besides_stays() -> None:
    entry = {**root().descriptor.to_json(), "x": 1, "platform": {"architecture": "amd64", "os": "linux"}}
    other = LayoutIndex.parse(json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
    assert merge_indexes(LayoutIndex.empty(), [other]).entries == (entry,)


def test_a_name_of_two_images_is_refused() -> None:
    one = LayoutIndex.empty().with_images({"a": root()})
    other = LayoutIndex.empty().with_images({"a": Manifest.parse(build("docker").root.raw)})
    with pytest.raises(DestinationRefused, match="a is sha256:.* in one layout and sha256:.* in another: give one"):
        merge_indexes(one, [other])
