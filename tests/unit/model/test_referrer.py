"""The names by which referrers are found, and what they are."""

from __future__ import annotations

import pytest

from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.referrer import (
    ReferredImage,
    Referrer,
    ReferrerReport,
    artifact_type,
    attested_digest,
    belongs_to_image,
    cosign_tag,
    is_cosign_tag,
    is_referrers_tag,
    referrers_tag,
)
from tests.support.images import ArtifactSpec, ImageSpec, build, edited


def test_tags() -> None:
    """The tag schema takes at most 64 characters of a digest: 128 and more are no tag."""
    digest, long = Digest.parse("sha256:" + "ab" * 32), Digest.parse("sha512:" + "cd" * 64)
    assert referrers_tag(digest) == "sha256-" + "ab" * 32
    assert referrers_tag(long) == "sha512-" + "cd" * 32
    assert cosign_tag(digest, "att") == "sha256-" + "ab" * 32 + ".att"


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_tags_are_known_again(algorithm: str) -> None:
    digest = Digest.of(b"x", algorithm)
    assert is_referrers_tag(referrers_tag(digest))
    for suffix in ("sig", "att", "sbom"):
        assert is_cosign_tag(cosign_tag(digest, suffix))
        assert belongs_to_image(cosign_tag(digest, suffix))
        assert not is_referrers_tag(cosign_tag(digest, suffix))


@pytest.mark.parametrize(
    "tag",
    ["", "1.0", "sha256-1", f"sha256-{'a' * 63}", f"sha256-{'a' * 65}", f"sha256-{'g' * 64}", f"sha256-{'A' * 64}",
     f"md5-{'a' * 64}", f"sha256-{'a' * 64}.txt", f"sha512-{'a' * 64}.sig", f"x.sha256-{'a' * 64}.sig", ".sig"],
)  # fmt: skip
def test_other_tags(tag: str) -> None:
    assert not belongs_to_image(tag)


@pytest.mark.parametrize(
    ("stated", "layer", "expected"),
    [
        ("a/b", "text/plain", "a/b"),
        (None, "application/vnd.in-toto+json", "application/vnd.in-toto+json"),
        (None, "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.config.v1+json"),
        (None, "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.config.v1+json"),
    ],
)
def test_the_type_of_an_image_that_is_none(stated: str | None, layer: str, expected: str) -> None:
    def change(made: dict[str, object]) -> None:
        layers = made["layers"]
        assert isinstance(layers, list)
        layers[0]["mediaType"] = layer
        if stated:
            made["artifactType"] = stated

    assert artifact_type(Manifest.parse(edited(build(ImageSpec()), change).root.raw)) == expected


def test_the_type_of_an_artifact() -> None:
    assert artifact_type(Manifest.parse(build(ArtifactSpec("a/b")).root.raw)) == "a/b"
    without = edited(build(ArtifactSpec("a/b")), lambda made: made.pop("artifactType"))
    assert artifact_type(Manifest.parse(without.root.raw)) == "application/vnd.oci.empty.v1+json"


def test_attestations() -> None:
    note = {"vnd.docker.reference.digest": "sha256:1", "vnd.docker.reference.type": "attestation-manifest"}
    assert attested_digest(note) == "sha256:1"
    assert attested_digest(note | {"vnd.docker.reference.type": "other"}) == ""
    assert attested_digest({}) == ""


def test_json() -> None:
    digest = Digest.parse("sha256:" + "0" * 64)
    one = Descriptor("m/t", digest, 7, annotations={"k": "v"})
    inner = Referrer(Descriptor("m/t", digest, 7), "", "referrers API", repeated=True)
    report = ReferrerReport(
        "oci:x", (ReferredImage(Descriptor("i/t", digest, 1), (Referrer(one, "a/b", "cosign tag", "t", (inner,)),)),), 3
    )
    entry = {"mediaType": "m/t", "digest": str(digest), "size": 7}
    assert report.to_json() == {
        "name": "oci:x", "unread": 3, "images": [
            {"mediaType": "i/t", "digest": str(digest), "referrers": [
                {**entry, "artifactType": "a/b", "foundBy": "cosign tag", "tag": "t", "annotations": {"k": "v"}, "referrers": [
                    {**entry, "artifactType": "", "foundBy": "referrers API", "repeated": True, "referrers": []},
                ]},
            ]},
        ],
    }  # fmt: skip
