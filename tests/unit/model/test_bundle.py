"""`model.bundle`: the contents of a bundle, its digest, and names."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.model.bundle import (
    ARTIFACT_TYPE,
    BundleContents,
    BundledBlob,
    BundlePart,
    BundlePiece,
    bundle_manifest,
    is_bundled_name,
    named_entry,
)
from pyskopeo.model.bundle_reports import BundleDifference
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.layout import REF_NAME
from pyskopeo.model.mediatype import OCI_MANIFEST

ROOT, LAYER, OTHER = (Digest.of(text) for text in (b"root", b"layer", b"other"))
NAME = "quay.io/team/app:1"
ENTRY = named_entry(Descriptor(OCI_MANIFEST, ROOT, 10), NAME)
CONTENTS = BundleContents((ENTRY,), {ROOT: BundledBlob(10, NAME)}, {LAYER: BundledBlob(20, "quay.io/old:1")}, (OTHER,))


def test_contents_are_read_as_they_were_written() -> None:
    raw = CONTENTS.to_bytes()
    assert BundleContents.parse(raw, "x") == CONTENTS
    assert BundleContents.parse(raw, "x").to_bytes() == raw
    assert (CONTENTS.size, CONTENTS.left_out_size) == (10, 20)
    assert CONTENTS.known.keys() == {ROOT, LAYER}


def test_the_digest_of_a_bundle_is_that_of_an_artifact() -> None:
    raw = CONTENTS.to_bytes()
    document = json.loads(bundle_manifest(raw).raw)
    assert document["artifactType"] == ARTIFACT_TYPE
    assert [layer["digest"] for layer in document["layers"]] == [str(Digest.of(raw))]
    changed = replace(CONTENTS, bases=(LAYER,)).to_bytes()
    assert bundle_manifest(changed).digest != bundle_manifest(raw).digest


def test_what_refers_to_images_is_not_in_the_index_for_others() -> None:
    tag = f"sha256-{ROOT.hex}"
    referring = replace(CONTENTS, referrers=(replace(ENTRY, annotations={REF_NAME: tag}),))
    assert BundleContents.parse(referring.to_bytes(), "x") == referring
    assert referring.index().raw == CONTENTS.index().raw
    assert len(referring.index(referrers=True).entries) == 2


def test_an_index_has_both_names() -> None:
    (entry,) = json.loads(CONTENTS.index().raw)["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": NAME, REF_NAME: NAME}


@pytest.mark.parametrize(("name", "valid"), [
    ("quay.io/team/app:1", True),
    (f"docker.io/library/app@{ROOT}", True),
    (f"sha256-{ROOT.hex}", True),
    (f"sha256-{ROOT.hex}.sig", True),
    ("quay.io/team/app", False),
    ("app:1", False),
    ("docker.io/app:1", False),
    ("quay.io/../app:1", False),
    ("quay.io/a b:1", False),
    ("", False),
])  # fmt: skip
def test_names_are_full(name: str, valid: bool) -> None:
    assert is_bundled_name(name) == valid


@pytest.mark.parametrize("contents", [
    replace(CONTENTS, images=(ENTRY, ENTRY)),
    replace(CONTENTS, referrers=(named_entry(ENTRY, "quay.io/another:1"),)),
    replace(CONTENTS, images=(named_entry(ENTRY, f"sha256-{ROOT.hex}"),)),
    replace(CONTENTS, blobs={}),
    replace(CONTENTS, left_out={ROOT: BundledBlob(10, NAME)}),
    replace(CONTENTS, bases=()),
    replace(CONTENTS, images=(replace(ENTRY, annotations={}),)),
])  # fmt: skip
def test_contents_that_contradict_themselves(contents: BundleContents) -> None:
    with pytest.raises(InvalidContent):
        BundleContents.parse(contents.to_bytes(), "x")


def test_a_part() -> None:
    part = BundlePart(ROOT, 2, 3, (BundlePiece(LAYER, 512, 100, OTHER),))
    assert BundlePart.parse(part.to_bytes(), "x") == part
    for number, count in ((0, 1), (3, 2), (1, 1000)):
        with pytest.raises(InvalidContent):
            BundlePart.parse(replace(part, number=number, count=count).to_bytes(), "x")


def test_a_difference() -> None:
    other = named_entry(Descriptor(OCI_MANIFEST, OTHER, 5), NAME)
    added = named_entry(Descriptor(OCI_MANIFEST, OTHER, 5), "quay.io/team/new:1")
    after = BundleContents((other, added), {OTHER: BundledBlob(5, NAME)}, {})
    found = BundleDifference.of((ROOT, CONTENTS), (OTHER, after))
    assert (found.added, found.removed, found.unchanged) == (("quay.io/team/new:1",), (), 0)
    assert [(one.name, one.old, one.new) for one in found.changed] == [(NAME, ROOT, OTHER)]
    assert (found.new_blobs, found.new_size, found.dropped_blobs, found.dropped_size) == (1, 5, 2, 30)
    assert found.differs
    assert not BundleDifference.of((ROOT, CONTENTS), (ROOT, CONTENTS)).differs
