"""What refers to what in a layout is found by subjects and names, within limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.errors import TooLarge
from pyskopeo.model.digest import Digest
from pyskopeo.model.layout import LayoutIndex
from pyskopeo.storage import layout_referrers
from pyskopeo.storage.layout_referrers import LayoutReferrers, read_referrers
from pyskopeo.storage.oci_layout import DirectoryFiles
from tests.support.images import BuiltImage, build, edited
from tests.support.outputs import blob_path, write_layout
from tests.support.referring import SIGNATURE, described, referring

IMAGE = build("oci")
BOM, SIGNED = referring(IMAGE, title="t"), referring(IMAGE, SIGNATURE)


def found_in(layout: Path) -> LayoutReferrers:
    return read_referrers(DirectoryFiles(layout), LayoutIndex.parse((layout / "index.json").read_bytes()).descriptors)


def layout_of(path: Path, *images: BuiltImage) -> Path:
    for image in images:
        write_layout(image, path, tag=None)
    return path


def test_subjects_with_types_and_annotations(tmp_path: Path) -> None:
    found = found_in(layout_of(tmp_path / "a", IMAGE, BOM, SIGNED)).of(Digest.parse(IMAGE.digest))
    assert {(str(one.descriptor.digest), one.artifact_type, one.origin) for one in found} == {
        (BOM.digest, "application/spdx+json", "subject"), (SIGNED.digest, SIGNATURE, "subject"),
    }  # fmt: skip
    assert [one.descriptor.digest for one in found] == sorted(one.descriptor.digest for one in found)
    assert {str(one.descriptor.digest): dict(one.descriptor.annotations) for one in found}[BOM.digest] == {"title": "t"}


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    odd = edited(BOM, lambda made: made.update(subject={"digest": 1}))
    layout = layout_of(tmp_path / "a", IMAGE, BOM, SIGNED, odd)
    blob_path(layout, SIGNED.digest).write_bytes(b"{}")
    assert [str(one.descriptor.digest) for one in found_in(layout).of(Digest.parse(IMAGE.digest))] == [BOM.digest]
    blob_path(layout, BOM.digest).unlink()
    assert found_in(layout).of(Digest.parse(IMAGE.digest)) == ()


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = layout_of(tmp_path / "a", IMAGE, BOM, SIGNED)
    monkeypatch.setattr(layout_referrers, "_MAX_BYTES", len(BOM.root.raw))
    with pytest.raises(TooLarge, match="bytes"):
        found_in(layout)
    monkeypatch.setattr(layout_referrers, "_MAX_MANIFESTS", 2)
    with pytest.raises(TooLarge, match="more than 2 manifests"):
        found_in(layout)


def test_an_index_that_lists_itself_by_its_names_is_read_once(tmp_path: Path) -> None:
    layout = layout_of(tmp_path / "a", IMAGE)
    listing = edited(build("oci-index"), lambda made: made.update(manifests=[described(BOM)] * 100))
    write_layout(BOM, layout, tag=None)
    write_layout(listing, layout, tag=IMAGE.digest.replace(":", "-"))
    found = found_in(layout)
    assert [str(one.descriptor.digest) for one in found.of(Digest.parse(IMAGE.digest))] == [BOM.digest]
    assert list(found.by_tag) == [IMAGE.digest.replace(":", "-")]
