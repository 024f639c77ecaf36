"""Which tags are kept, and in which order."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.model.tag_filter import ORDERS, Order, TagFilter

TAGS = ["latest", "v1.10", "1.9.0", "1.9", "2.0.0-rc.1", "1.9.0-alpine", "2", "edge", "sha-0123abc", "1.9.1"]


@pytest.mark.parametrize(
    ("pattern", "versions", "kept"),
    [
        (None, None, TAGS),
        ("", "", ["v1.10", "1.9.0", "1.9", "2", "1.9.1"]),
        ("^1", None, ["1.9.0", "1.9", "1.9.0-alpine", "1.9.1"]),
        ("9", None, ["1.9.0", "1.9", "1.9.0-alpine", "1.9.1"]),
        (r"-(alpine|rc\.\d)", None, ["2.0.0-rc.1", "1.9.0-alpine"]),
        ("(?i)LATEST", None, ["latest"]),
        ("nothing", None, []),
        (None, ">=1.9.1, <2", ["v1.10", "1.9.1"]),
        (None, ">=1.9.1-0", ["v1.10", "2.0.0-rc.1", "2", "1.9.1"]),
        ("^1", "1.9", ["1.9.0", "1.9", "1.9.1"]),
        (None, "9", []),
    ],
)
def test_what_is_kept(pattern: str | None, versions: str | None, kept: list[str]) -> None:
    assert TagFilter.parse(pattern, versions).apply(TAGS) == kept


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("registry", TAGS),
        ("name", ["1.9", "1.9.0", "1.9.0-alpine", "1.9.1", "2", "2.0.0-rc.1", "edge", "latest", "sha-0123abc", "v1.10"]),
        ("natural",
         ["1.9", "1.9.0", "1.9.0-alpine", "1.9.1", "2", "2.0.0-rc.1", "edge", "latest", "sha-0123abc", "v1.10"]),
        ("semver",
         ["edge", "latest", "sha-0123abc", "1.9.0-alpine", "1.9", "1.9.0", "1.9.1", "v1.10", "2.0.0-rc.1", "2"]),
    ],
)  # fmt: skip
def test_order(order: Order, expected: list[str]) -> None:
    assert TagFilter.parse(order=order).apply(TAGS) == expected
    assert order in ORDERS
    if order != "registry":
        assert TagFilter.parse(order=order).apply(reversed(TAGS)) == expected


def test_numbers_in_names_are_compared_by_their_values() -> None:
    tags = ["v1.10", "v1.9", "v1", "v1.9-rc10", "v1.9-rc9", "v01.9", "", "10", "9", "9" * 5000, "a"]
    ordered = ["", "9", "10", "9" * 5000, "a", "v1", "v01.9", "v1.9", "v1.9-rc9", "v1.9-rc10", "v1.10"]
    assert TagFilter.parse(order="natural").apply(tags) == ordered


def test_any_version_comes_after_what_is_none() -> None:
    assert TagFilter.parse(order="semver").apply(["0", "0.0.0-a", "edge", ""]) == ["", "edge", "0.0.0-a", "0"]


def test_names_of_an_archive() -> None:
    names = ["localhost:5000/a/b:1.10", "docker.io/library/a:1.9", "@2", "docker.io/library/a:latest"]
    assert TagFilter.parse(versions=">1").apply(names) == []
    assert TagFilter.parse(versions=">=1", order="semver").apply(names) == [names[1], names[0]]
    assert TagFilter.parse("^docker.io/").apply(names) == [names[1], names[3]]
    assert TagFilter.parse("@").apply(names) == ["@2"]


@pytest.mark.parametrize("pattern", ["(", "[", "*", "(?P<a>", "a{99999999999}", "(?<=a*)b", "\\", "(" * 5000, "é("])
def test_no_regular_expression(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="^invalid regular expression '") as caught:
        TagFilter.parse(pattern)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_no_range() -> None:
    with pytest.raises(InvalidInput, match="version range"):
        TagFilter.parse(versions="newest")
