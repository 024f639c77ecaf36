"""The index of the tag schema: entries are added and removed, and nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyskopeo.errors import ContentMismatch, InvalidContent, TooLarge
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.referrer import MAX_REFERRERS
from pyskopeo.model.referrer_index import ReferrerIndex, referrer_descriptor
from tests.support.images import ArtifactSpec, ImageSpec, build, digest_of
from tests.support.referring import INDEX, SBOM, index_of

TYPE = "application/vnd.oci.image.manifest.v1+json"


def descriptor(content: bytes, kind: str = SBOM, **annotations: str) -> Descriptor:
    return Descriptor(TYPE, Digest.of(content), len(content), annotations=annotations, artifact_type=kind)


def entry(content: bytes, **more: object) -> dict[str, Any]:
    return {"mediaType": TYPE, "digest": digest_of(content), "size": len(content), **more}


def written(index: ReferrerIndex) -> dict[str, Any]:
    raw = index.to_manifest().raw
    found: dict[str, Any] = json.loads(raw)
    assert raw == json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    return found


def test_a_new_index() -> None:
    index = ReferrerIndex.empty().with_referrers([descriptor(b"a"), descriptor(b"bc", "", x="y"), descriptor(b"a")])
    assert written(index) == {
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [entry(b"a", artifactType=SBOM), entry(b"bc", annotations={"x": "y"})],
    }  # fmt: skip
    assert index.to_manifest().media_type == INDEX


def test_what_others_have_written_stays() -> None:
    theirs = entry(b"1", artifactType="a/b", annotations={"k": "ü"}, data="MQ==", unknown=[1])
    document = {"schemaVersion": 2, "mediaType": INDEX, "annotations": {"a": "b"}, "manifests": [theirs], "x": None}
    index = ReferrerIndex.parse(json.dumps(document).encode(), "index")
    assert written(index.with_referrers([descriptor(b"2")])) == document | {
        "manifests": [theirs, entry(b"2", artifactType=SBOM)]
    }
    assert index.with_referrers([descriptor(b"1")]) is index
    assert index.with_referrers([]) is index


def test_without() -> None:
    index = ReferrerIndex.parse(index_of(entry(b"1"), entry(b"2"), entry(b"1")), "index")
    assert written(index.without({digest_of(b"1")}))["manifests"] == [entry(b"2")]
    assert written(index.without({digest_of(b"1"), digest_of(b"2")}))["manifests"] == []
    assert index.without({digest_of(b"3")}) is index


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "index: "),
        (b"<html>", "index: "),
        (build(ImageSpec()).root.raw, "index: it is no index, so it is not changed"),
        (b'{"schemaVersion": 2, "manifests": {}}', "index: "),
        (index_of({"mediaType": TYPE, "digest": "sha256:1", "size": 1}), "index: "),
        (b'{"schemaVersion": 2, "manifests": [], "manifests": []}', "index: "),
    ],
)
def test_what_is_no_index(raw: bytes, said: str) -> None:
    with pytest.raises(InvalidContent, match=said):
        ReferrerIndex.parse(raw, "index")


def test_an_entry_with_other_content_than_its_digest_says() -> None:
    with pytest.raises(ContentMismatch):
        ReferrerIndex.parse(index_of(entry(b"1", data="Mg==")), "index")


@pytest.mark.parametrize("raw", [b'{"schemaVersion": 2, "manifests": []}', index_of().replace(b"[]", b"null")])
def test_one_that_is_empty(raw: bytes) -> None:
    index = ReferrerIndex.parse(raw, "index")
    added = index.with_referrers([descriptor(b"1")])
    assert added.entries == (digest_of(b"1"),)
    assert added.to_manifest().media_type == INDEX


def test_limits() -> None:
    many = [descriptor(str(number).encode(), "") for number in range(MAX_REFERRERS)]
    index = ReferrerIndex.empty().with_referrers(many)
    with pytest.raises(TooLarge, match="10000 referrers"):
        index.with_referrers([descriptor(b"one more")])
    assert index.with_referrers(many[:1]) is index
    with pytest.raises(TooLarge, match="over 4194304 bytes"):
        ReferrerIndex.empty().with_referrers([descriptor(b"1", SBOM, k="x" * 4194304)]).to_manifest()


def test_the_descriptor_of_a_referrer() -> None:
    made = build(ArtifactSpec(SBOM, content=b"{}", annotations={"a": "b"}))
    manifest = Manifest.parse(made.root.raw)
    found = referrer_descriptor(manifest)
    assert (found.digest, found.size, found.media_type) == (manifest.digest, len(manifest.raw), TYPE)
    assert (found.artifact_type, dict(found.annotations)) == (SBOM, {"a": "b"})
