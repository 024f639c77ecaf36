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
    nulls = dict.fromkeys(("mediaType", "platform", "annotations", "urls", "artifactType", "data"))
    assert Descriptor.from_json({"digest": DIGEST, "size": 0} | nulls, "here") == found


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "here is not a descriptor"),
        ([], "here is not a descriptor"),
        ("x", "here is not a descriptor"),
        (GOOD | {"mediaType": 5}, "here.mediaType"),
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


def test_null_is_absent_as_in_go() -> None:
    nulls = {
        "annotations": {"a": None, "b": "c"}, "urls": [None, "u"], "data": "",
        "platform": {"os": None, "architecture": "amd64", "variant": None, "os.version": None, "os.features": [None]},
    }  # fmt: skip
    found = Descriptor.from_json(GOOD | nulls, "here")
    assert found.annotations == {"a": "", "b": "c"}
    assert (found.urls, found.data) == (("", "u"), None)
    assert found.platform == Platform("", "amd64", os_features=("",))
    assert Descriptor.from_json(GOOD | {"platform": {"os.features": None}}, "here").platform == Platform("", "")


def test_embedded_content_in_lines() -> None:
    """Go's base64 decoder ignores line ends."""
    value = {"digest": str(Digest.of(b"content")), "size": 7, "data": "Y29u\r\ndGVudA==\n"}
    assert Descriptor.from_json(value, "here").data == b"content"


@pytest.mark.parametrize("empty", [False, 0, [], {}])
@pytest.mark.parametrize("name", ["mediaType", "artifactType", "platform.os", "platform.os.features"])
def test_other_empty_values_are_of_the_wrong_type(name: str, empty: object) -> None:
    outer, _, inner = name.partition(".")
    if inner == "os.features" and empty == []:
        return
    with pytest.raises(InvalidContent):
        Descriptor.from_json(GOOD | {outer: {inner: empty} if inner else empty}, "here")


@pytest.mark.parametrize(
    "more",
    [
        {"Digest": DIGEST}, {"SIZE": 7}, {"mediatype": "x"}, {"Annotations": {}}, {"Urls": []}, {"\u017fize": 8},
        {"platform": {"os": "linux", "OS": "windows"}}, {"platform": {"OS.Version": "1"}},
    ],
)  # fmt: skip
def test_names_that_go_takes_for_a_field(more: dict[str, object]) -> None:
    with pytest.raises(InvalidContent, match="by case only"):
        Descriptor.from_json(GOOD | more, "here")


def test_names_in_maps_and_in_unknown_fields_are_free() -> None:
    annotations = {"a": "1", "A": "2", "Digest": "3"}
    found = Descriptor.from_json(GOOD | {"annotations": annotations, "x": {"a": 1, "A": 2}, "X": 1}, "here")
    assert found.annotations == annotations


def test_written_in_the_order_of_the_go_types() -> None:
    full = Descriptor(
        "m", Digest.parse(DIGEST), 1, Platform("linux", "arm", "v7", "10", ("f",)), {"a": "b"}, ("u",)
    )
    written = full.to_json()
    assert list(written) == ["mediaType", "digest", "size", "urls", "annotations", "platform"]
    assert list(written["platform"]) == ["architecture", "os", "os.version", "os.features", "variant"]
    assert Descriptor.from_json(written, "again") == full
    assert list(Descriptor("m", Digest.parse(DIGEST), 1).to_json()) == ["mediaType", "digest", "size"]
