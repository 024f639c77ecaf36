"""Images at a source: what each is called, and by what it is chosen."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidName
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.syncing.source_images import SourceImage, from_directory, from_layout, from_registry, parse_tag_or_digest

DIGEST = Digest.parse("sha256:" + "ab" * 32)


def test_from_a_registry() -> None:
    alpine = Reference.parse("alpine:3")
    assert from_registry(alpine) == SourceImage(
        "docker://alpine:3", "docker.io/library/alpine:3", "docker.io/library/alpine", "3", reference=alpine
    )
    both = from_registry(Reference.parse(f"alpine:3@{DIGEST}"), "name")
    assert (both.source, both.path) == (f"docker://alpine:3@{DIGEST}", "docker.io/library/alpine:3")
    assert (both.tag, both.pinned, both.name) == ("3", DIGEST, "name")
    pinned = from_registry(Reference.parse(f"h:1/a/b@{DIGEST}"))
    assert (pinned.path, pinned.tag, pinned.pinned) == (f"h:1/a/b@{DIGEST}", "", DIGEST)


@pytest.mark.parametrize(
    ("root", "path", "source", "at", "repository", "tag"),
    [
        ("out", "app:1", "dir:out/app:1", "app:1", "app", "1"),
        ("./out/", "h:5000/a/app:1", "dir:out/h:5000/a/app:1", "h:5000/a/app:1", "h:5000/a/app", "1"),
        ("out", "h:5000/a", "dir:out/h:5000/a", "h:5000/a", "h:5000/a", ""),
        ("out/app:1", "", "dir:out/app:1", "app:1", "app", "1"),
        ("out/app:1/", "", "dir:out/app:1/", "app:1", "app", "1"),
        ("out", f"a@{DIGEST}", f"dir:out/a@{DIGEST}", f"a@{DIGEST}", "a", ""),
    ],
)
def test_from_a_directory(root: str, path: str, source: str, at: str, repository: str, tag: str) -> None:
    assert from_directory(root, path) == SourceImage(source, at, repository, tag)


@pytest.mark.parametrize(
    ("name", "position", "keep", "source", "path", "repository", "tag"),
    [
        ("app:1", None, False, "oci:d/lay:app:1", "app:1", "app", "1"),
        ("h:5000/a/app:1", None, False, "oci:d/lay:h:5000/a/app:1", "h:5000/a/app:1", "h:5000/a/app", "1"),
        ("v1", None, False, "oci:d/lay:v1", "lay:v1", "lay", "v1"),
        ("v1", None, True, "oci:d/lay:v1", "v1", "lay", "v1"),
        ("", None, False, "oci:d/lay", f"lay@{DIGEST}", "lay", ""),
        ("", 3, False, "oci:d/lay:@3", f"lay@{DIGEST}", "lay", ""),
    ],
)
def test_from_a_layout(
    name: str, position: int | None, keep: bool, source: str, path: str, repository: str, tag: str
) -> None:
    found = from_layout("d/lay", name, DIGEST, position, keep=keep)
    assert (found.source, found.path, found.repository, found.tag) == (source, path, repository, tag)


def test_what_a_file_has_below_a_repository() -> None:
    repository = Reference.parse("h.example/a", default_tag="")
    assert str(parse_tag_or_digest(repository, "1.0")) == "h.example/a:1.0"
    assert str(parse_tag_or_digest(repository, str(DIGEST))) == f"h.example/a@{DIGEST}"
    assert str(parse_tag_or_digest(repository, f"1.0@{DIGEST}")) == f"h.example/a:1.0@{DIGEST}"
    for wrong in (f"@{DIGEST}", f"a b@{DIGEST}", "1.0@", "1.0@sha256:ab", f"{DIGEST}@{DIGEST}", "", "a b", "x" * 129, "sha256:ab", "../x", "md4:" + "ab" * 16):
        with pytest.raises(InvalidName):
            parse_tag_or_digest(repository, wrong)
