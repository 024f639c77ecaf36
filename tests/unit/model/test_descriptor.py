"""Descriptors as they come in manifests."""

import base64
import re

import pytest

from pyskopeo.errors import ContentMismatch, InvalidContent, InvalidDigest
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.platform import Platform

DIGEST = "sha256:" + "a" * 64
GOOD = {"mediaType": "text/plain", "digest": DIGEST, "size": 7}


def test_every_field() -> None:
    content = b"content"
    found = Descriptor.from_json(
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": str(Digest.of(content)),
            "size": 7,
            "platform": {"architecture": "arm", "os": "linux", "variant": "v7", "os.version": "1", "os.features": ["x"]},
            "annotations": {"k": "v"},
            "urls": ["https://example.com/x"],
            "artifactType": "application/x",
            "data": base64.b64encode(content).decode(),
            "unknown": {"kept": "by the document"},
        },
        "here",
    )
    assert found == Descriptor(
        "application/vnd.oci.image.manifest.v1+json", Digest.of(content), 7,
        Platform("linux", "arm", "v7", "1", ("x",)), {"k": "v"}, ("https://example.com/x",), "application/x", content,
    )  # fmt: skip
    assert found.is_manifest
    hash(found)


def test_the_least_that_will_do() -> None:
    found = Descriptor.from_json({"digest": DIGEST, "size": 0}, "here")
    assert (found.media_type, found.size, found.platform, found.data) == ("", 0, None, None)
    assert not found.is_manifest
    nulls = dict.fromkeys(("platform", "annotations", "urls", "artifactType", "data"))
    assert Descriptor.from_json({"digest": DIGEST, "size": 0} | nulls, "here") == found


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "here is not a descriptor"),
        ([], "here is not a descriptor"),
        ("x", "here is not a descriptor"),
        (GOOD | {"mediaType": 5}, "here.mediaType"),
        (GOOD | {"mediaType": None}, "here.mediaType"),
        (GOOD | {"size": -1}, "here.size"),
        (GOOD | {"size": "7"}, "here.size"),
        (GOOD | {"size": 7.0}, "here.size"),
        (GOOD | {"size": True}, "here.size"),
        (GOOD | {"size": None}, "here.size"),
        (GOOD | {"size": 2**63}, "here.size"),
        ({"mediaType": "", "digest": DIGEST}, "here.size"),
        (GOOD | {"annotations": {"k": 1}}, "here.annotations"),
        (GOOD | {"annotations": []}, "here.annotations"),
        (GOOD | {"urls": "https://x"}, "here.urls"),
        (GOOD | {"urls": [1]}, "here.urls"),
        (GOOD | {"artifactType": 1}, "here.artifactType"),
        (GOOD | {"data": "***"}, "here.data is not base64"),
        (GOOD | {"data": 5}, "here.data is not base64"),
        (GOOD | {"platform": "linux/amd64"}, "platform"),
        (GOOD | {"platform": {"os": 1}}, "platform.os"),
        (GOOD | {"platform": {"os.features": "x"}}, "platform.os.features"),
        (GOOD | {"platform": {"os.features": [1]}}, "platform.os.features"),
    ],
)
def test_what_is_refused_and_where(value: object, reason: str) -> None:
    with pytest.raises(InvalidContent, match=re.escape(reason)):
        Descriptor.from_json(value, "here")


@pytest.mark.parametrize("digest", [None, 5, "", "sha256:abc", "sha256:../../../../etc/passwd"])
def test_a_malformed_digest(digest: object) -> None:
    with pytest.raises(InvalidDigest):
        Descriptor.from_json(GOOD | {"digest": digest}, "here")


@pytest.mark.parametrize("content", [b"contenT", b"conten", b"content "])
def test_embedded_content_must_be_the_content(content: bytes) -> None:
    value = {"digest": str(Digest.of(b"content")), "size": 7, "data": base64.b64encode(content).decode()}
    with pytest.raises(ContentMismatch, match=r"here\.data"):
        Descriptor.from_json(value, "here")


def test_written_in_the_order_of_the_go_types() -> None:
    full = Descriptor(
        "m", Digest.parse(DIGEST), 1, Platform("linux", "arm", "v7", "10", ("f",)), {"a": "b"}, ("u",)
    )
    written = full.to_json()
    assert list(written) == ["mediaType", "digest", "size", "urls", "annotations", "platform"]
    assert list(written["platform"]) == ["architecture", "os", "os.version", "os.features", "variant"]
    assert Descriptor.from_json(written, "again") == full
    assert list(Descriptor("m", Digest.parse(DIGEST), 1).to_json()) == ["mediaType", "digest", "size"]
