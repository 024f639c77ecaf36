"""Manifests of attached files, and names for files that anybody may have attached."""

from __future__ import annotations

import json

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.model.artifact import (
    EMPTY,
    EMPTY_CONTENT,
    TITLE,
    artifact_manifest,
    check_media_type,
    file_name,
    files_of,
)
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from tests.support.images import build
from tests.support.referring import SBOM, described

IMAGE = build("oci")
SUBJECT = Manifest.parse(IMAGE.root.raw)


def layer(title: str | None, media_type: str = SBOM) -> Descriptor:
    return Descriptor(media_type, Digest.of(b"1"), 1, annotations={} if title is None else {TITLE: title})


def test_the_empty_descriptor() -> None:
    """The one of the specification."""
    assert str(EMPTY.digest) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert (EMPTY.size, EMPTY_CONTENT) == (2, b"{}")


def test_a_manifest() -> None:
    made = artifact_manifest(SUBJECT, SBOM, [layer("a")], {"b": "2", "a": "1"})
    document = json.loads(made.raw)
    assert made.artifact_type == SBOM
    assert document["subject"] == described(IMAGE)
    assert list(document["annotations"]) == ["a", "b"]
    assert made.config is not None
    assert made.config.data == EMPTY_CONTENT
    assert files_of(made) == (layer("a"),)
    assert artifact_manifest(SUBJECT, SBOM, [layer("a")], {"a": "1", "b": "2"}).raw == made.raw
    bare = artifact_manifest(SUBJECT, SBOM, [EMPTY], {})
    assert "annotations" not in json.loads(bare.raw)
    assert files_of(bare) == ()


def test_what_no_other_program_could_read() -> None:
    with pytest.raises(InvalidInput, match="not valid Unicode"):
        artifact_manifest(SUBJECT, SBOM, [], {"a": "\udcff"})


@pytest.mark.parametrize("text", ["application/spdx+json", "a/b", "text/vnd.x-y.z_1", f"{'a' * 127}/{'b' * 127}"])
def test_media_types(text: str) -> None:
    assert check_media_type(text) == text


@pytest.mark.parametrize(
    "text", ["", "sbom", "a/b/c", "/b", "a/", "a/b; charset=utf-8", "a/b\n", "a /b", ".a/b", "a/ü", f"{'a' * 128}/b"]
)
def test_what_is_no_media_type(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no media type") as caught:
        check_media_type(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("app.spdx.json", "app.spdx.json"), ("dir/app.json", "app.json"), ("dir/", "dir"), ("a b", "a b"), ("ü", "ü"),
        ("../../etc/passwd", "passwd"), ("..\\..\\x.txt", "x.txt"), (".bashrc", "bashrc"), ("...a", "a"), ("C:x", "C_x"),
        ("a\nb", "a_b"), ("a\0b", "a_b"), ("\u202ea", "_a"), ("a*?", "a__"), (" a ", "a"), ("é" * 150, "é" * 100),
    ],
)  # fmt: skip
def test_names_of_files(title: str, name: str) -> None:
    assert file_name(layer(title)) == name


@pytest.mark.parametrize("title", [None, "", "/", "..", ".", "...", " ", "\0", "_", "/ /", "\ud800"])
def test_without_a_usable_title_it_is_named_by_its_digest(title: str | None) -> None:
    hex_digits = Digest.of(b"1").hex
    assert file_name(layer(title)) == f"{hex_digits}.json"
    assert file_name(layer(title, "application/octet-stream")) == hex_digits
