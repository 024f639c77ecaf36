"""What is wanted of a registry, a directory or a layout."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidInput, InvalidName
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.syncing.wanted import (
    Wanted,
    from_directory,
    from_layout,
    from_registry,
    matching_pattern,
    matching_versions,
    parse_item,
)

TAGS = ["1.0", "1.10", "1.9", "1.9-alpine", "latest", "edge", "2.0.0-rc.1"]

DIGEST = Digest.parse("sha256:" + "ab" * 32)


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        (r"^1\.13\.[12]-alpine-perl$", ["1.13.1-alpine-perl"], ["1.13.3-alpine-perl", "x1.13.1-alpine-perl"]),
        ("alpine", ["1-alpine-x"], ["Alpine"]),
        (r"v1\z", ["v1"], ["v1x"]),
        (r"^\Q1.0\E$", ["1.0"], ["1x0"]),
        (r"^\Q1.0", ["1.0-x"], ["1x0"]),
        (r"^[[:digit:]]+$", ["12"], ["a", ":", "d"]),
        (r"^[^[:alpha:]]$", ["1"], ["a"]),
        (r"^[[:upper:][:digit:]_]+$", ["A_1"], ["a"]),
        (r"^[[:punct:]]$", ["-", "]", "\\"], ["a"]),
        ("(?i)RC", ["2-rc"], ["2"]),
        (r"\\z", ["\\z"], ["z"]),
        ("", ["anything"], []),
    ],
)
def test_expressions_are_found_unanchored(pattern: str, found: list[str], missed: list[str]) -> None:
    keep = matching_pattern(pattern)
    assert [tag for tag in found + missed if keep(tag)] == found


def test_versions_in_a_range() -> None:
    keep = matching_versions(">= 1.9, < 3")
    assert [tag for tag in TAGS if keep(tag)] == ["1.10", "1.9"]
    with pytest.raises(InvalidInput):
        matching_versions("newest")


def test_from_a_registry() -> None:
    assert from_registry(Reference.parse("alpine:3")) == Wanted(
        "docker://alpine:3", "docker.io/library/alpine:3", "docker.io/library/alpine", "3"
    )
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
    assert from_directory(root, path) == Wanted(source, at, repository, tag)


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
    assert str(parse_item(repository, "1.0")) == "h.example/a:1.0"
    assert str(parse_item(repository, str(DIGEST))) == f"h.example/a@{DIGEST}"
    for wrong in ("", "a b", "x" * 129, "sha256:ab", "../x", "md4:" + "ab" * 16):
        with pytest.raises(InvalidName):
            parse_item(repository, wrong)
