"""Which images are wanted: expressions, the newest, both."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.syncing.tag_selection import TagSelection, compile_pattern, matching_pattern, matching_versions

TAGS = ["1.0", "1.10", "1.9", "1.9-alpine", "latest", "edge", "2.0.0-rc.1"]


def chosen(selection: TagSelection, tags: list[str], repository: str = "h.example/app") -> list[str]:
    return selection.apply(tags, lambda tag: (repository, tag))


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


@pytest.mark.parametrize("pattern", ["(", "[", "*", r"\pL", "[[:^digit:]]", "[[:nonsense:]]", "a{2,1}", "(" * 5000])
def test_expressions_that_are_none(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="error parsing regexp: "):
        compile_pattern(pattern)


def test_versions_in_a_range() -> None:
    keep = matching_versions(">= 1.9, < 3")
    assert [tag for tag in TAGS if keep(tag)] == ["1.10", "1.9"]
    with pytest.raises(InvalidInput):
        matching_versions("newest")


@pytest.mark.parametrize(
    ("include", "exclude", "kept"),
    [
        ([], [], TAGS),
        ([r"^1\."], [], ["1.0", "1.10", "1.9", "1.9-alpine"]),
        ([r"^1\."], ["alpine"], ["1.0", "1.10", "1.9"]),
        (["latest", "edge"], [], ["latest", "edge"]),
        ([], [r"^\d", "edge"], ["latest"]),
        (["/app:1.9$"], [], ["1.9"]),
        (["^h.example/"], [], TAGS),
        (["^other/"], [], []),
    ],
)
def test_what_is_included_and_not_excluded(include: list[str], exclude: list[str], kept: list[str]) -> None:
    assert chosen(TagSelection.parse(include, exclude), TAGS) == kept


def test_versions_in_a_range_and_the_newest_of_them() -> None:
    selection = TagSelection.parse(versions=">= 1.0, < 2")
    assert chosen(selection, TAGS) == ["1.0", "1.10", "1.9"]
    assert chosen(TagSelection.parse(versions=">= 1.0, < 2", latest=2), TAGS) == ["1.10", "1.9"]
    assert chosen(TagSelection.parse(versions=">= 1.10-0", latest=2), TAGS) == ["1.10", "2.0.0-rc.1"]
    assert chosen(TagSelection.parse(latest=2), TAGS) == ["1.10", "1.9"]
    assert chosen(TagSelection.parse(versions=">= 1.0, < 2", exclude=["9"]), TAGS) == ["1.0", "1.10"]
    with pytest.raises(InvalidInput):
        TagSelection.parse(versions="newest")


@pytest.mark.parametrize(
    ("number", "tags", "kept"),
    [
        (1, TAGS, ["1.10"]),
        (3, TAGS, ["1.0", "1.10", "1.9"]),
        (1, ["latest", "2.0.0-rc.1"], ["2.0.0-rc.1"]),
        (4, ["latest", "1.0", "edge"], ["1.0"]),
        (2, ["b", "c", "a"], ["b", "c"]),
        (1, ["20240101", "20231231"], ["20240101"]),
        (9, ["a"], ["a"]),
    ],
)
def test_the_newest(number: int, tags: list[str], kept: list[str]) -> None:
    assert chosen(TagSelection.parse(latest=number), tags) == kept


def test_the_newest_of_each_repository_after_the_rest_was_left_out() -> None:
    found = [("a", "1"), ("b", "7"), ("a", "3"), ("a", "2"), ("b", ""), ("b", "8-rc"), ("a", "2")]
    kept = TagSelection.parse(exclude=["rc"], latest=1).apply(found, lambda one: one)
    assert kept == [("b", "7"), ("a", "3"), ("b", "")]
    twice = TagSelection.parse(exclude=["^3$"], latest=1).apply(found, lambda one: one)
    assert twice.count(("a", "2")) == 2, "a tag named twice is one tag"


def test_fewer_than_none_are_refused() -> None:
    with pytest.raises(InvalidInput):
        TagSelection.parse(latest=-1)
