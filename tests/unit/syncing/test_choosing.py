"""Which images are wanted: expressions, the newest, both."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.syncing.choosing import Choice, compile_pattern

TAGS = ["1.0", "1.10", "1.9", "1.9-alpine", "latest", "edge", "2.0.0-rc.1"]


def chosen(choice: Choice, tags: list[str], repository: str = "h.example/app") -> list[str]:
    return choice.apply(tags, lambda tag: (repository, tag))


@pytest.mark.parametrize("pattern", ["(", "[", "*", r"\pL", "[[:^digit:]]", "[[:nonsense:]]", "a{2,1}", "(" * 5000])
def test_expressions_that_are_none(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="error parsing regexp: "):
        compile_pattern(pattern)


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
    assert chosen(Choice.parse(include, exclude), TAGS) == kept


@pytest.mark.parametrize(
    ("number", "tags", "kept"),
    [
        (1, TAGS, ["2.0.0-rc.1"]),
        (3, TAGS, ["1.10", "1.9", "2.0.0-rc.1"]),
        (4, ["latest", "1.0", "edge"], ["latest", "1.0", "edge"]),
        (2, ["latest", "1.0", "edge"], ["latest", "1.0"]),
        (2, ["b", "c", "a"], ["b", "c"]),
        (1, ["20240101", "20231231"], ["20240101"]),
        (9, ["a"], ["a"]),
    ],
)
def test_the_newest(number: int, tags: list[str], kept: list[str]) -> None:
    assert chosen(Choice.parse(latest=number), tags) == kept


def test_the_newest_of_each_repository_after_the_rest_was_left_out() -> None:
    found = [("a", "1"), ("b", "7"), ("a", "3"), ("a", "2"), ("b", ""), ("b", "8-rc"), ("a", "2")]
    kept = Choice.parse(exclude=["rc"], latest=1).apply(found, lambda one: one)
    assert kept == [("b", "7"), ("a", "3"), ("b", "")]
    twice = Choice.parse(exclude=["^3$"], latest=1).apply(found, lambda one: one)
    assert twice.count(("a", "2")) == 2, "a tag named twice is one tag"


def test_fewer_than_none_are_refused() -> None:
    with pytest.raises(InvalidInput):
        Choice.parse(latest=-1)
